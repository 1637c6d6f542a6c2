import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { WebSocketServer } from 'ws'
import type { RunningGateway } from '../support/gateway.js'
import type { Scope } from '../support/scope.js'

/** An application with answers that take as long as the test wants, event streams and WebSockets that echo. */
export interface SlowApplication {
  readonly url: string
  /** Requests to `/slow` that wait for their answer. */
  readonly waiting: ServerResponse[]
}

export async function slowApplication(t: Scope): Promise<SlowApplication> {
  const waiting: ServerResponse[] = []
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/slow')) waiting.push(response)
    else if (request.url?.endsWith('/events')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: hello\n\n')
    } else response.end(`for ${request.headers['remote-user'] ?? 'nobody'}`)
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, waiting }
}

/** Clients that keep their connections and ask for one page again and again, until told to stop. */
export interface Visits {
  /** What was not answered as it should have been. */
  readonly failures: string[]
  count(): number
  stop(): Promise<void>
}

export function keepVisiting(t: Scope, url: string, clients = 4): Visits {
  const failures: string[] = []
  const agent = new Agent({ connections: clients, pipelining: 1 })
  const { origin, pathname } = new URL(url)
  let count = 0
  let stopped = false
  const visit = async () => {
    while (!stopped) {
      try {
        const { statusCode, body } = await agent.request({ origin, path: pathname, method: 'GET' })
        const text = await body.text()
        if (statusCode !== 200) failures.push(`${statusCode} ${text}`)
      } catch (fault) {
        failures.push(String(fault))
      }
      count += 1
    }
  }
  const all = Array.from({ length: clients }, visit)
  const stop = async () => {
    stopped = true
    await Promise.all(all)
    await agent.destroy()
  }
  t.teardown(stop)
  return { failures, count: () => count, stop }
}

/** Changes the gateway's file. */
export async function edit(gateway: RunningGateway, change: (text: string) => string): Promise<void> {
  await writeFile(gateway.configFile, change(await readFile(gateway.configFile, 'utf8')))
}

/** Lines of the log with these words as their message. */
export function logged(gateway: RunningGateway, message: string): ReadonlyArray<Record<string, unknown>> {
  return gateway.logLines().filter(({ msg }) => msg === message)
}
