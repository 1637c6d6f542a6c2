import { connect } from 'node:net'
import t from 'tap'
import { application, frontDoor } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { quickest, tell } from './table.js'

t.setTimeout(120_000)

t.test(
  'an upload that drips loses its place; one that is slow and honest, or waits for the application, does not',
  async (t) => {
    const seen: string[] = []
    const app = await application(t, (request, response) => {
      seen.push(`${request.url} began`)
      let bytes = 0
      const isSlowReader = request.url === '/reads-slowly'
      request.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (!isSlowReader || bytes > piece.length) return
        request.pause()
        setTimeout(() => request.resume(), 1500)
      })
      request.on('end', () => response.end(`took ${bytes}`))
      request.on('error', () => seen.push(`${request.url} was cut`))
      if (request.method === 'GET') response.end('well')
    })
    const door = await frontDoor(t, {
      sites: [
        {
          upstream: app.url,
          rules: [{ path: '/**', access: 'public', line: 1 }],
          limits: { connections: 1, uploadRate: 500, uploadWindowMs: 500 },
        },
      ],
    })
    const send = (path: string, length: number, piece: Buffer, everyMs: number) => {
      let answer = ''
      const socket = connect(door.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString('latin1')
      })
      socket.write(`POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`)
      let left = length
      const timer = setInterval(() => {
        if (left <= 0 || socket.destroyed) clearInterval(timer)
        else socket.write(piece.subarray(0, Math.min(piece.length, left)))
        left -= piece.length
      }, everyMs)
      t.teardown(() => {
        clearInterval(timer)
        socket.destroy()
      })
      return () => answer
    }
    const dripped = send('/drip', 1_000_000, Buffer.alloc(1), 20)
    await until('it to have the only place', () => seen.includes('/drip began'))
    const get = () => fetch(`http://127.0.0.1:${door.port}/x`, { headers: { connection: 'close' } })
    await until('the drip to be answered', () => dripped().startsWith('HTTP/1.1 408'))
    t.match(dripped(), /connection: close/i)
    await until('the application to see that it is not whole', () => seen.includes('/drip was cut'))
    const after = await quickest(5, get)
    t.equal(after.value.status, 200, 'the place is free')
    tell(t, { fault: 'an upload that drips a byte at a time', saw: '408, others 200', answerMs: after.ms })

    const slow = send('/slow', 3000, Buffer.alloc(300), 100)
    await until('the slow one to be whole', () => slow().includes('took 3000'))
    const waiting = send('/reads-slowly', 12_000_000, Buffer.alloc(1_000_000), 1)
    await until('the one that waited to be whole', () => waiting().includes('took 12000000'))
  },
)
