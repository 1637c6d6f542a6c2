import { connect, type Socket } from 'node:net'
import { AnswerReader, requestsOf } from './answer-reader.js'
import { percentiles, type Target, type Times } from './orders.js'

export interface SteadyOrder extends Target {
  readonly kind: 'steady'
  readonly connections: number
  readonly perSecond: number
  readonly seconds: number
}

/**
 * So many requests a second, whatever becomes of them. Times count from when a request was due, not from when a connection
 * was free for it: a server that stands still for a while is seen by all that should have come meanwhile.
 */
export function steady(order: SteadyOrder): Promise<Times> {
  const requests = requestsOf(order)
  const total = order.perSecond * order.seconds
  const times: number[] = []
  const free: Array<(dueAt: number) => void> = []
  const waiting: number[] = []
  const sockets: Socket[] = []
  let sent = 0
  return new Promise((resolve, reject) => {
    const finish = (fault?: Error) => {
      clearInterval(timer)
      for (const socket of sockets) socket.destroy()
      if (fault === undefined) resolve({ ...percentiles(times), milliseconds: performance.now() - since })
      else reject(fault)
    }
    const open = () => {
      const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
      let dueAt = 0
      const send = (due: number) => {
        dueAt = due
        socket.write(requests[times.length % requests.length] as Buffer)
      }
      const reader = new AnswerReader((status) => {
        if (status !== 200) return finish(new Error(`An answer was ${status}.`))
        times.push(performance.now() - dueAt)
        if (times.length === total) return finish()
        const due = waiting.shift()
        if (due === undefined) free.push(send)
        else send(due)
      })
      socket
        .on('connect', () => free.push(send))
        .on('data', (chunk) => reader.take(chunk))
        .on('error', finish)
        .on('end', () => finish(new Error('A connection was closed.')))
      sockets.push(socket)
    }
    for (let at = 0; at < order.connections; at += 1) open()
    // A moment for the connections to be made.
    const since = performance.now() + 200
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((performance.now() - since) / 1000) * order.perSecond))
      for (; sent < due; sent += 1) {
        const dueAt = since + ((sent + 1) / order.perSecond) * 1000
        const send = free.pop()
        if (send === undefined) waiting.push(dueAt)
        else send(dueAt)
      }
    }, 1)
  })
}
