import { connect } from 'node:net'
import { AnswerReader, requestsOf } from './answer-reader.js'
import { percentiles, type Target, type Times } from './orders.js'

export interface ClosedOrder extends Target {
  readonly kind: 'closed'
  readonly connections: number
  /** Answers to wait for. */
  readonly requests: number
  /** Every connection sends as many as every other, however fast they are answered. */
  readonly isEven?: boolean
}

/** Requests over and over on kept connections: the next one goes when the answer to the last is there. */
export function closed(order: ClosedOrder): Promise<Times> {
  const requests = requestsOf(order)
  const times: number[] = []
  const since = performance.now()
  let next = 0
  return new Promise((resolve, reject) => {
    const finish = (fault?: Error) => {
      for (const socket of sockets) socket.destroy()
      if (fault === undefined) resolve({ ...percentiles(times), milliseconds: performance.now() - since })
      else reject(fault)
    }
    const sockets = Array.from({ length: order.connections }, () => {
      const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
      let sentAt = 0
      let left = order.isEven === true ? Math.ceil(order.requests / order.connections) : Number.POSITIVE_INFINITY
      const send = () => {
        if (left === 0) return
        left -= 1
        sentAt = performance.now()
        next = (next + 1) % requests.length
        socket.write(requests[next] as Buffer)
      }
      const reader = new AnswerReader((status) => {
        if (status !== 200) return finish(new Error(`An answer was ${status}.`))
        times.push(performance.now() - sentAt)
        if (times.length === order.requests) finish()
        else if (times.length < order.requests) send()
      })
      return socket
        .on('connect', send)
        .on('data', (chunk) => reader.take(chunk))
        .on('error', finish)
        .on('end', () => finish(new Error('A connection was closed.')))
    })
  })
}
