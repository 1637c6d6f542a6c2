import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
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

/** WebSockets that send a message again when it has come back. */
export function echo(order: EchoOrder): Promise<Times> {
  const times: number[] = []
  const since = performance.now()
  return new Promise((resolve, reject) => {
    const finish = (fault?: Error) => {
      for (const socket of sockets) socket.destroy()
      if (fault === undefined) resolve({ ...percentiles(times), milliseconds: performance.now() - since })
      else reject(fault)
    }
    const handshake =
      `GET ${order.path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${order.headers[0]}\r\n`
    const sockets = Array.from({ length: order.connections }, () => {
      const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
      let isOpen = false
      let head = ''
      let received = 0
      let sentAt = 0
      const send = () => {
        sentAt = performance.now()
        socket.write(frame)
      }
      socket.on('data', (chunk) => {
        if (!isOpen) {
          head += chunk.toString('latin1')
          if (!head.includes('\r\n\r\n')) return
          if (!head.startsWith('HTTP/1.1 101')) return finish(new Error(`The handshake was refused: ${head}`))
          isOpen = true
          send()
          return
        }
        received += chunk.length
        if (received < echoed) return
        received = 0
        times.push(performance.now() - sentAt)
        if (times.length === order.roundTrips) finish()
        else if (times.length < order.roundTrips) send()
      })
      return socket
        .on('connect', () => socket.write(handshake))
        .on('error', finish)
        .on('end', () => finish(new Error('A WebSocket was closed.')))
    })
  })
}
