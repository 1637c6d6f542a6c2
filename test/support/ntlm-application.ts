import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Scope } from './scope.js'

/** What is known of a connection, as a server with NTLM keeps it. */
interface Known {
  readonly number: number
  nonce?: string
  user?: string
}

/** An application that signs in connections as NTLM does: hello, challenge, answer, and then whoever speaks on it is the user. */
export interface NtlmApplication {
  readonly url: string
  /** Connections that were opened to it so far. */
  opened(): number
  /** Those that are open and on which somebody is signed in. */
  signedIn(): readonly string[]
  /** Connections that are open. */
  open(): number
  /** Every request: who the application took it for, and on which connection. */
  readonly seen: Array<{ readonly url: string; readonly user: string | undefined; readonly connection: number }>
  /** Ends every connection, as a restart does. */
  dropAll(): void
}

/** @param scheme that is offered */
export async function ntlmApplication(t: Scope, scheme = 'NTLM'): Promise<NtlmApplication> {
  const connections = new Map<Socket, Known>()
  let opened = 0
  const seen: NtlmApplication['seen'] = []
  const know = (socket: Socket): Known => {
    const known = connections.get(socket)
    if (known === undefined) throw new Error('a request without a connection')
    return known
  }
  const challenge = (response: ServerResponse, value: string) =>
    response.writeHead(401, { 'www-authenticate': value, 'content-length': 5 }).end('no!!\n')
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const connection = know(request.socket)
    const [step, user, nonce] = stepOf(request)
    // What does not fit ends a sign-in that was under way, on this connection and no other.
    if (step === 'hello') {
      connection.nonce = createHash('sha256').update(`${connection.number} ${user}`).digest('hex')
      delete connection.user
      challenge(response, `${scheme} challenge:${connection.nonce}`)
      return
    }
    if (step === 'answer' && user !== undefined && nonce !== undefined && nonce === connection.nonce) {
      connection.user = user
    }
    seen.push({ url: request.url ?? '', user: connection.user, connection: connection.number })
    response.setHeader('x-connection', connection.number)
    if (request.url?.startsWith('/open') === true) response.end('open to all')
    else if (connection.user === undefined) challenge(response, scheme)
    else response.end(`mailbox of ${connection.user}`)
  }
  const server = createServer((request, response) => request.resume().on('end', () => answer(request, response)))
  server.on('connection', (socket) => {
    opened += 1
    connections.set(socket, { number: opened })
    socket.on('error', () => {})
    socket.on('close', () => connections.delete(socket))
  })
  server.on('upgrade', (request, socket) => {
    const { number, user } = know(request.socket)
    seen.push({ url: request.url ?? '', user, connection: number })
    if (user === undefined) {
      socket.end(`HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${scheme}\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    socket.resume().on('end', () => socket.destroy())
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    const text = Buffer.from(`mailbox of ${user}`)
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dropAll = () => server.closeAllConnections()
  t.teardown(() => {
    for (const socket of connections.keys()) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    opened: () => opened,
    open: () => connections.size,
    signedIn: () => [...connections.values()].flatMap(({ user }) => user ?? []),
    seen,
    dropAll,
  }
}

/** `NTLM hello:NAME`, `NTLM answer:NAME:NONCE`: the words stand for what real clients say in base 64. */
function stepOf({ headersDistinct }: IncomingMessage): readonly (string | undefined)[] {
  for (const value of headersDistinct['authorization'] ?? []) {
    const [, words = ''] = /^\s*\S+\s+((?:hello|answer):.*)$/.exec(value) ?? []
    if (words !== '') return words.split(':')
  }
  return []
}
