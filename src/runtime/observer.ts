import type { IncomingMessage, ServerResponse } from 'node:http'
import type { House } from '../app.js'

/** Is told what happens, to count it. Must not throw. Without one nothing is told. */
export interface Observer {
  /** A house was opened: the first, and one at every reload. */
  house(house: House): void
  /** A request is about to be looked at. */
  request(request: IncomingMessage, response: ServerResponse): void
  /** What was decided over it, and by the rules of which site. */
  judged(request: IncomingMessage, judged: { readonly site: string; readonly outcome: string }): void
  /** How many WebSockets are open is asked here. */
  tunnels(count: () => number): void
}
