import { connect, type Socket } from 'node:net'
import { AnswerReader, requestsOf } from './answer-reader.js'
import { percentiles, type Target, type Times } from './orders.js'

export interface ClosedOrder extends Target {
  readonly kind: 'closed'
  readonly connections: number
  /** Answers to wait for. */
  readonly requests: number
  /**
   * Every connection sends as many as every other, however fast they are answered, and each is answered once before the next
   * is opened: several processes that accept them in turn get as many of them each.
   */
  readonly isEven?: boolean
}

/** Requests over and over on kept connections: the next one goes when the answer to the last is there. */
export function closed(order: ClosedOrder): Promise<Times> {
  const { port, connections, requests: total, isEven = false } = order
  const requests = requestsOf(order)
  const most = isEven ? Math.ceil(total / connections) : Number.POSITIVE_INFINITY
  const times: number[] = []
  const since = performance.now()
  const sockets: Socket[] = []
  let next = 0
  return new Promise((resolve, reject) => {
    const finish = (fault?: Error) => {
      for (const socket of sockets) socket.destroy()
      if (fault === undefined) resolve({ ...percentiles(times), milliseconds: performance.now() - since })
      else reject(fault)
    }
    const waiting: Array<() => void> = []
    /** With `isEven`, when all are open. */
    const goOn = (send: () => void) => {
      if (isEven && sockets.length < connections) {
        waiting.push(send)
        open()
        return
      }
      send()
      for (const other of waiting.splice(0)) other()
    }
    const open = () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      sockets.push(socket)
      let sentAt = 0
      let sent = 0
      const send = () => {
        if (sent === most) return
        sent += 1
        sentAt = performance.now()
        next = (next + 1) % requests.length
        socket.write(requests[next] as Buffer)
      }
      const reader = new AnswerReader((status) => {
        if (status !== 200) return finish(new Error(`An answer was ${status}.`))
        times.push(performance.now() - sentAt)
        if (times.length === total) finish()
        else if (times.length < total) goOn(send)
      })
      socket
        .on('connect', send)
        .on('data', (chunk) => reader.take(chunk))
        .on('error', finish)
        .on('end', () => finish(new Error('A connection was closed.')))
    }
    for (let at = 0; at < (isEven ? 1 : connections); at += 1) open()
  })
}
