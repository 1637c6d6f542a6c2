import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface Asked {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** Far more than an answer or a login page has. */
const LARGEST = 2 * 2 ** 20

/** Exchanges with one server. Follows no redirect: a password goes to the address in the file and to no other. */
export class Exchange {
  readonly #agent: Agent
  readonly #deadline: number

  constructor({ ca, timeoutSeconds }: { readonly ca?: string | undefined; readonly timeoutSeconds: number }) {
    this.#deadline = timeoutSeconds * 1000
    this.#agent = new Agent({
      maxResponseSize: LARGEST,
      connections: 32,
      connect: { timeout: this.#deadline, ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }) },
    })
  }

  /** One for everything a password takes. */
  deadline(): AbortSignal {
    return AbortSignal.timeout(this.#deadline)
  }

  /** @throws when there is no whole answer in time; says nothing of what was sent */
  async ask(url: string, { method, headers, body }: Asked, signal: AbortSignal): Promise<Answer> {
    try {
      const how = { method, headers, dispatcher: this.#agent, signal, ...(body === undefined ? {} : { body }) }
      const answer = await request(url, how)
      return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time'
      throw new Error(`${new URL(url).host} cannot be asked: ${code}`)
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}
