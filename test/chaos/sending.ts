import type { Agent } from 'undici'
import type { RunningGateway } from '../support/gateway.js'

/** What browsers send with a form of the same origin. */
export const form = {
  accept: 'text/html',
  'content-type': 'application/x-www-form-urlencoded',
  'sec-fetch-site': 'same-origin',
  origin: 'null',
}

/** An answer as far as it is looked at; cookies as a browser would send them back. */
export interface Reply {
  readonly status: number
  readonly text: string
  readonly cookies: string
}

/** `undefined` where nothing came. */
export async function send(
  agent: Agent,
  gateway: RunningGateway | undefined,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Reply | undefined> {
  try {
    const answer = await agent.request({
      origin: `http://localhost:${gateway?.port}`,
      method,
      path,
      headers,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
      ...(body === undefined ? {} : { body }),
    })
    const set = [answer.headers['set-cookie'] ?? []].flat().map((line) => line.split(';')[0])
    return { status: answer.statusCode, text: await answer.body.text(), cookies: set.join('; ') }
  } catch {
    return undefined
  }
}
