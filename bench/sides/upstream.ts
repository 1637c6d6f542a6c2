import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ready } from '../child.js'

/** A small JSON answer of 1 KB, as an application gives it. */
const body = Buffer.from(JSON.stringify({ items: 'x'.repeat(1000) }))
const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)]

const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
})
server.listen(0, '127.0.0.1', () => ready((server.address() as AddressInfo).port))
