import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Desk, Line } from './desk.js'
import { clockOf } from './pages.js'
import { personOf } from './person.js'
import { acceptTextSocket, refuseUpgrade, type TextSocket } from './web-socket.js'

const maxListeners = 200
const maxUnsentBytes = 2 ** 20
const maxNoticeLength = 200

/** Everything that stays open: the notice board's sockets, the echo, and the log's event streams. */
export class Live {
  readonly #desk: Desk
  readonly #now: () => number
  readonly #sockets = new Set<TextSocket>()
  readonly #streams = new Set<ServerResponse>()
  readonly #ticking: NodeJS.Timeout

  constructor(desk: Desk, now: () => number) {
    this.#desk = desk
    this.#now = now
    this.#ticking = setInterval(() => this.#tick(), 1_000).unref()
    desk.log.follow((line) => this.#tell('line', line))
  }

  /** One listener of the log: `clock` every second, `line` for every new line. */
  follow(request: IncomingMessage, response: ServerResponse): void {
    if (this.#streams.size >= maxListeners) {
      response.writeHead(503, { 'retry-after': '10' }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.write(`retry: 2000\n\n${eventOf('clock', clockOf(this.#now()))}`)
    this.#streams.add(response)
    request.once('close', () => this.#streams.delete(response))
    response.once('close', () => this.#streams.delete(response))
  }

  /** `/board/socket` pins what it is told and tells everybody; `/echo` says back what it is told. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', () => stream.destroy())
    const path = request.url?.split('?')[0]
    if (path !== '/board/socket' && path !== '/echo') {
      refuseUpgrade(stream, '404 Not Found')
      return
    }
    if (this.#sockets.size >= maxListeners) {
      refuseUpgrade(stream, '503 Service Unavailable')
      return
    }
    const who = personOf(request.headers)?.name ?? 'somebody'
    const isBoard = path === '/board/socket'
    let leave = () => {}
    const socket = acceptTextSocket(request, stream, head, (own) => ({
      onText: (text) => (isBoard ? this.#pin(who, text) : own().send(text)),
      onClose: () => {
        leave()
        this.#sockets.delete(own())
      },
    }))
    if (!socket) return
    this.#sockets.add(socket)
    if (isBoard) leave = this.#desk.board.follow((line) => socket.send(JSON.stringify(shownOf(line))))
  }

  close(): void {
    clearInterval(this.#ticking)
    for (const response of this.#streams) response.end()
    for (const socket of this.#sockets) socket.close(1001)
  }

  /** Cuts whatever is still open. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #pin(who: string, text: string): void {
    const notice = text.trim().slice(0, maxNoticeLength)
    if (notice) this.#desk.board.write(who, notice)
  }

  #tick(): void {
    const at = clockOf(this.#now())
    for (const response of this.#streams) send(response, eventOf('clock', at))
    // A proxy on the way closes what is silent for long.
    if (at.endsWith('0')) for (const socket of this.#sockets) socket.ping()
  }

  #tell(event: string, line: Line): void {
    const text = eventOf(event, JSON.stringify(shownOf(line)), line.id)
    for (const response of this.#streams) send(response, text)
  }
}

function shownOf(line: Line) {
  return { at: clockOf(line.at), who: line.who, text: line.text }
}

function eventOf(event: string, data: string, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`
}

function send(response: ServerResponse, text: string): void {
  response.write(text)
  if (response.writableLength > maxUnsentBytes) response.destroy()
}
