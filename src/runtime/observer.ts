import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Core } from '../app.js'
import type { Load } from '../http/applications/load-watch.js'

/** Is told what happens, to count it. Must not throw. Without one nothing is told. */
export interface Observer {
  /** A house was opened: the first, and one at every reload. */
  core(core: Core): void
  /** A request is about to be looked at. */
  request(request: IncomingMessage, response: ServerResponse): void
  /** What was decided over it, and by the rules of which site. */
  judged(request: IncomingMessage, judged: { readonly site: string; readonly outcome: string }): void
  /** How many WebSockets are open is asked here. */
  webSockets(count: () => number): void
  /** How full the sites are is asked here. */
  loads(read: () => readonly Load[]): void
}
