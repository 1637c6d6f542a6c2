import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { WebSocketServer } from 'ws'

/**
 * The application behind everything. `upstream <port>`. `/bytes/N` gives so many bytes, POST takes a body and says how long
 * it was, WebSockets echo; all else is a small JSON answer of 1 KB, as an application gives it.
 */
const body = Buffer.from(JSON.stringify({ items: 'x'.repeat(1000) }))
const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)]
const block = Buffer.alloc(64 * 1024, 'x')

const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
  if (request.method === 'POST') void take(request, response)
  else if (request.url?.startsWith('/bytes/')) void give(Number(request.url.slice('/bytes/'.length)), response)
  else {
    response.writeHead(200, headers)
    response.end(body)
  }
})

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let taken = 0
  for await (const chunk of request) taken += chunk.length
  const text = String(taken)
  response.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', String(text.length)])
  response.end(text)
}

async function give(bytes: number, response: ServerResponse): Promise<void> {
  response.writeHead(200, ['Content-Type', 'application/octet-stream', 'Content-Length', String(bytes)])
  for (let left = bytes; left > 0; left -= block.length) {
    if (response.destroyed) return
    const flows = response.write(left < block.length ? block.subarray(0, left) : block)
    if (!flows) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
  }
  response.end()
}

const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })))
server.listen(Number(process.argv[2]), '127.0.0.1')
