import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { percentiles, type Target, type Times } from './orders.js'

export interface EchoOrder extends Target {
  readonly kind: 'echo'
  readonly connections: number
  readonly roundTrips: number
}

const text = Buffer.from('a message of thirty-two bytes...')

/** Masked with zeros, which leaves the text as it is. */
const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])
const echoed = 2 + text.length

/**
 * By port, until the far side ends them. They stay open from one order to the next, as WebSockets do: what is measured is
 * messages, and a handshake costs as much as dozens of them.
 */
const open = new Map<number, readonly WebSocket[]>()

/** WebSockets that send a message again when it has come back. */
export async function echo(order: EchoOrder): Promise<Times> {
  const sockets = open.get(order.port) ?? (await openAll(order))
  const times: number[] = []
  const since = performance.now()
  let left = order.roundTrips
  const again = async (socket: WebSocket) => {
    while (left > 0) {
      left -= 1
      times.push(await socket.roundTrip())
    }
  }
  await Promise.all(sockets.map(again))
  return { ...percentiles(times), milliseconds: performance.now() - since }
}

async function openAll(order: EchoOrder): Promise<readonly WebSocket[]> {
  const sockets = await Promise.all(Array.from({ length: order.connections }, () => WebSocket.open(order)))
  open.set(order.port, sockets)
  return sockets
}

class WebSocket {
  readonly #socket: Socket
  #onText: (text: string) => void = () => {}
  #onEcho: (milliseconds: number) => void = () => {}
  #onFault: (fault: Error) => void = () => {}
  #isOpen = false
  #received = 0
  #sentAt = 0

  private constructor({ port }: EchoOrder) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => {
      if (this.#isOpen) this.#count(chunk.length)
      else this.#onText(chunk.toString('latin1'))
    })
    const end = (fault: Error) => {
      open.delete(port)
      this.#socket.destroy()
      this.#onFault(fault)
    }
    this.#socket.on('error', end).on('end', () => end(new Error('A WebSocket was closed.')))
  }

  static open(order: EchoOrder): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(order)
      let head = ''
      socket.#onFault = reject
      socket.#onText = (text) => {
        head += text
        if (!head.includes('\r\n\r\n')) return
        socket.#isOpen = head.startsWith('HTTP/1.1 101')
        if (socket.#isOpen) resolve(socket)
        else reject(new Error(`The handshake was refused: ${head}`))
      }
      socket.#socket.write(
        `GET ${order.path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
          `${order.headers[0]}\r\n`,
      )
    })
  }

  /** @returns how long it took */
  roundTrip(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#onEcho = resolve
      this.#onFault = reject
      this.#sentAt = performance.now()
      this.#socket.write(frame)
    })
  }

  #count(bytes: number): void {
    this.#received += bytes
    if (this.#received < echoed) return
    this.#received = 0
    this.#onEcho(performance.now() - this.#sentAt)
  }
}
