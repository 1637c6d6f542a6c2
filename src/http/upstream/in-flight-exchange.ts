import type { IncomingMessage } from 'node:http'

/** Something under way for somebody who is signed in: a WebSocket, an event stream, an upload. */
export interface InFlightExchange {
  readonly request: IncomingMessage
  /** Ends it, if it has not ended: what let it in does not hold any more. */
  cut(): void
}
