import { connect } from 'node:net'
import type { Target, Times } from './orders.js'

export interface TransferOrder extends Target {
  readonly kind: 'transfer'
  readonly direction: 'down' | 'up'
  readonly bytes: number
  /** Where the client takes nothing for a while, to see who keeps what comes meanwhile. */
  readonly pauseAt?: number
}

const pauseMs = 1000
const block = Buffer.alloc(64 * 1024, 'x')

/** One large body, down or up. */
export function transfer(order: TransferOrder): Promise<Times> {
  const { port, path, headers, bytes } = order
  const since = performance.now()
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const finish = (fault?: Error) => {
      socket.destroy()
      if (fault === undefined) resolve({ milliseconds: performance.now() - since, requests: 1, p50: 0, p99: 0 })
      else reject(fault)
    }
    let head = ''
    let wanted = Number.POSITIVE_INFINITY
    let received = 0
    let hasPaused = order.pauseAt === undefined
    socket.on('data', (chunk) => {
      if (wanted === Number.POSITIVE_INFINITY) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!head.startsWith('HTTP/1.1 200')) return finish(new Error(`An answer was ${head.slice(9, 12)}.`))
        wanted = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      }
      received += chunk.length
      if (received >= wanted) return finish()
      if (hasPaused || received < (order.pauseAt ?? 0)) return
      hasPaused = true
      socket.pause()
      setTimeout(() => socket.resume(), pauseMs)
    })
    socket.on('error', finish).on('end', () => finish(new Error('The connection was closed.')))
    const common = `HTTP/1.1\r\nHost: localhost\r\n${headers[0]}`
    if (order.direction === 'down') {
      socket.write(`GET ${path}/${bytes} ${common}\r\n`)
      return
    }
    socket.write(`POST ${path} ${common}Content-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`)
    let left = bytes
    const pour = () => {
      while (left > 0) {
        const flows = socket.write(left < block.length ? block.subarray(0, left) : block)
        left -= block.length
        if (!flows) return
      }
    }
    socket.on('drain', pour)
    pour()
  })
}
