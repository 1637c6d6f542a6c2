import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Frame, FrameFault, FrameReader, frameOf } from './frames.js'

/** Unsent bytes after which a reader who does not read is let go. */
const maxUnsentBytes = 2 ** 20

/** How long the other side has to close as well. */
const goodbyeMs = 2_000

export interface TextSocketEvents {
  onText(text: string): void
  onClose(): void
}

/** The server's side of one WebSocket (RFC 6455): text messages, pings answered, closed in order, garbage refused. */
export class TextSocket {
  readonly #stream: Duplex
  readonly #reader = new FrameReader()
  readonly #events: TextSocketEvents
  #closing = false

  constructor(stream: Duplex, events: TextSocketEvents) {
    this.#stream = stream
    this.#events = events
    stream.on('data', (chunk: Buffer) => this.#read(chunk))
    stream.on('end', () => stream.end())
    stream.once('close', () => events.onClose())
  }

  send(text: string): void {
    this.#write(frameOf('text', Buffer.from(text)))
  }

  ping(): void {
    this.#write(frameOf('ping', Buffer.alloc(0)))
  }

  /** Says goodbye once; whatever arrives afterwards is not read. */
  close(code: number): void {
    if (this.#closing) return
    this.#closing = true
    const payload = Buffer.alloc(2)
    payload.writeUInt16BE(code)
    this.#stream.end(frameOf('close', payload))
    setTimeout(() => this.#stream.destroy(), goodbyeMs).unref()
  }

  destroy(): void {
    this.#stream.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#closing) return
    try {
      this.#reader.push(chunk)
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) this.#answer(frame)
    } catch (fault) {
      if (!(fault instanceof FrameFault)) throw fault
      this.close(fault.closeCode)
    }
  }

  #answer(frame: Frame): void {
    if (this.#closing) return
    if (frame.kind === 'text') this.#events.onText(frame.payload.toString())
    if (frame.kind === 'ping') this.#write(frameOf('pong', frame.payload))
    if (frame.kind === 'close') this.close(1000)
  }

  #write(bytes: Buffer): void {
    if (this.#closing || this.#stream.destroyed) return
    this.#stream.write(bytes)
    if (this.#stream.writableLength > maxUnsentBytes) this.#stream.destroy()
  }
}

/** Answers the handshake; `undefined` when the request is none, after refusing it. */
export function acceptTextSocket(
  request: IncomingMessage,
  stream: Duplex,
  head: Buffer,
  events: (socket: () => TextSocket) => TextSocketEvents,
): TextSocket | undefined {
  const key = request.headers['sec-websocket-key']
  const fits =
    request.method === 'GET' &&
    request.headers.upgrade?.toLowerCase() === 'websocket' &&
    request.headers['sec-websocket-version'] === '13' &&
    key !== undefined &&
    /^[A-Za-z0-9+/]{22}==$/.test(key)
  if (!fits) {
    refuseUpgrade(stream, '400 Bad Request')
    return undefined
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  if (head.length > 0) stream.unshift(head)
  const socket: TextSocket = new TextSocket(
    stream,
    events(() => socket),
  )
  return socket
}

export function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
