import { Agent } from 'undici'
import type { Scope } from './scope.js'

/** An answer, read to the end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  readonly text: string
  /** Path and query of `Location`, if it stays on this origin; else the whole of it. */
  readonly location: string | undefined
  /** @throws when the body is no JSON */
  json(): unknown
}

export interface Extra {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

/** A browser without a screen: keeps cookies, sends what browsers send with a page load, follows nothing by itself. */
export class Visitor {
  readonly origin: string
  readonly cookies = new Map<string, string>()
  readonly #agent: Agent

  /** @param from the address to come from: one of this machine */
  constructor(t: Scope, origin: string, from?: string) {
    this.origin = origin
    const own = from === undefined ? {} : { localAddress: from }
    this.#agent = new Agent({ pipelining: 0, connections: 64, ...own })
    t.teardown(() => this.#agent.destroy())
  }

  /** A page load, as from the address bar. */
  get(path: string, extra: Extra = {}): Promise<Answer> {
    return this.send('GET', path, { ...extra, headers: { ...pageLoad, 'sec-fetch-site': 'none', ...extra.headers } })
  }

  /** A form of the same origin, sent. */
  post(path: string, fields: Readonly<Record<string, string>>, extra: Extra = {}): Promise<Answer> {
    const headers = {
      ...pageLoad,
      'sec-fetch-site': 'same-origin',
      origin: 'null',
      'content-type': 'application/x-www-form-urlencoded',
      ...extra.headers,
    }
    return this.send('POST', path, { body: new URLSearchParams(fields).toString(), ...extra, headers })
  }

  /** Opens the page, fills its form in (hidden fields are kept as they are) and sends it to where the form says. */
  async fillIn(path: string, fields: Readonly<Record<string, string>>, action?: string): Promise<Answer> {
    const page = await this.get(path)
    const form = formOf(page.text, action)
    return this.post(form.action ?? path, { ...form.fields, ...fields })
  }

  /** Any request, with the cookies of this visitor and nothing else added. */
  async send(method: string, path: string, extra: Extra = {}): Promise<Answer> {
    const headers: Record<string, string | string[]> = {}
    if (this.cookies.size > 0)
      headers['cookie'] = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    for (const [name, value] of Object.entries(extra.headers ?? {})) {
      headers[name] = typeof value === 'string' ? value : [...value]
    }
    const {
      statusCode,
      headers: received,
      body,
    } = await this.#agent.request({
      origin: this.origin,
      path,
      method: method as 'GET',
      headers,
      ...(extra.body === undefined ? {} : { body: extra.body }),
    })
    const bytes = Buffer.from(await body.arrayBuffer())
    this.#keepCookies(received['set-cookie'])
    const text = bytes.toString()
    return {
      status: statusCode,
      headers: received,
      bytes,
      text,
      location: this.#locationOf(received),
      json: () => JSON.parse(text),
    }
  }

  #keepCookies(received: string | string[] | undefined): void {
    for (const line of [received ?? []].flat()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
      const [name = '', value = ''] = pair.split(/=(.*)/s)
      const isGone = attributes.some((each) => /^max-age=0$/i.test(each) || /^expires=.* 1970 /i.test(each))
      if (isGone) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }

  #locationOf({ location }: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
    if (typeof location !== 'string') return undefined
    const url = new URL(location, this.origin)
    return url.origin === new URL(this.origin).origin ? `${url.pathname}${url.search}` : location
  }
}

const pageLoad = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Gatelodge-Test/1.0',
}

/** Where a page's form goes and what its hidden fields hold: the form with that action, or the first one that posts. */
export function formOf(page: string, action?: string): { action: string | undefined; fields: Record<string, string> } {
  const forms = page.match(/<form\b[\s\S]*?<\/form>/gi) ?? []
  const wanted = forms.find((form) => {
    const attributes = attributesOf(/<form\b([^>]*)>/i.exec(form)?.[1] ?? '')
    return action === undefined
      ? attributes['method']?.toLowerCase() === 'post'
      : attributes['action']?.endsWith(action)
  })
  const inputs = [...(wanted ?? '').matchAll(/<input\b([^>]*)>/gi)].map(([, attributes]) =>
    attributesOf(attributes ?? ''),
  )
  const hidden = inputs.filter((input) => input['type'] === 'hidden' && input['name'] !== undefined)
  return {
    action: attributesOf(/<form\b([^>]*)>/i.exec(wanted ?? '')?.[1] ?? '')['action'],
    fields: Object.fromEntries(hidden.map((input) => [input['name'] ?? '', input['value'] ?? ''])),
  }
}

function attributesOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-z-]+)(?:="([^"]*)"|='([^']*)'|=(\S+))?/gi)]
  return Object.fromEntries(
    pairs.map(([, name = '', ...values]) => [
      name.toLowerCase(),
      unescapeHtml(values.find((value) => value !== undefined) ?? ''),
    ]),
  )
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

function unescapeHtml(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
}
