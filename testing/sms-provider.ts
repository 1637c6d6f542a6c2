import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as the provider received it. */
export interface ProviderRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = (response: ServerResponse, request: ProviderRequest) => void

/** A real HTTP endpoint in a provider's place: takes every request, answers as told. */
export class SmsProvider {
  readonly requests: ProviderRequest[] = []
  /** What the next requests are answered with. */
  answer: Answer = accepted
  readonly #server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      }
      this.requests.push(request)
      this.answer(response, request)
    })
  })

  static async start(): Promise<SmsProvider> {
    const provider = new SmsProvider()
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve))
    return provider
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** What Twilio says when it has taken a message. */
export const accepted: Answer = (response) => {
  response.writeHead(201, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ sid: 'SM00000000000000000000000000000001', status: 'queued' }))
}

/** A plain answer; the body repeats what was asked, as careless providers do. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response, request) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ code: 21211, message: `cannot send ${request.body}`, status: code }))
  }
}

export const nonsense: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.end('<html>Welcome to the hotel network</html>')
}

/** Takes the request and never says a word. */
export const silence: Answer = () => undefined

export const reset: Answer = (response) => {
  response.socket?.resetAndDestroy()
}
