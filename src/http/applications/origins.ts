/** Addresses that an application is asked with, or answers with, under the name that only one side knows. */
export interface OriginSettings {
  /** The upstream's address, `scheme://host[:port]`; anything else is no address. */
  readonly upstream: string
  /** What people come by. */
  readonly scheme: 'http' | 'https'
  /** The site's, where it has one. */
  readonly host?: string | undefined
  /** Whether the application sees the `Host` that people use. */
  readonly preserveHost: boolean
  /** Whether addresses in `Destination` and `If` are rewritten; left out: where the application would not know them. */
  readonly rewriteDestination?: boolean | undefined
}

/** What a request says about where it came by. */
interface Visited {
  readonly scheme: string
  readonly host: string
}

/**
 * Rewrites what names the application's own address.
 *
 * Inwards, `Destination` and the tagged lists of `If` (RFC 4918, 10.3 and 10.4): a WebDAV server behind TLS believes in http, and
 * refuses to copy to https as to another server. Outwards, where the application names itself by the address that only we
 * know it by (`Location`, `Content-Location`, `Link`, `Refresh`): it would lead people nowhere, and tell them of the inside. Whatever
 * is another address goes on as it came.
 */
export class Origins {
  readonly #settings: OriginSettings
  readonly #upstream: URL | undefined
  /** What the application calls itself, spelled as `URL` spells it. */
  readonly #own: ReadonlySet<string>
  readonly #rewritesDestination: boolean

  constructor(settings: OriginSettings) {
    const { upstream, scheme, host, preserveHost, rewriteDestination } = settings
    this.#settings = settings
    this.#upstream = URL.canParse(upstream) ? new URL(upstream) : undefined
    const isDowngraded = scheme === 'https' && this.#upstream?.protocol === 'http:'
    this.#rewritesDestination = rewriteDestination ?? (isDowngraded || !preserveHost)
    this.#own = new Set(this.#spellings(isDowngraded ? host : undefined))
  }

  /** Of `Destination`. */
  destination(value: string, visited: Visited): string {
    return this.#rewritesDestination ? this.#inwards(value, visited) : value
  }

  /** Of `If`, where addresses stand in angle brackets beside tokens that stand there, too. */
  condition(value: string, visited: Visited): string {
    if (!this.#rewritesDestination || !value.includes('://')) return value
    const [start = '', ...tagged] = value.split('<')
    return [start, ...tagged.map((part) => this.#inwards(part, visited))].join('<')
  }

  /** Of `Location` and `Content-Location`. */
  location(value: string): string {
    return this.#outwards(value)
  }

  /** Of `Link`. */
  link(value: string): string {
    if (!value.includes('://')) return value
    const [start = '', ...links] = value.split('<')
    return [start, ...links.map((part) => this.#outwards(part))].join('<')
  }

  /** Of `Refresh`, as in `5; url=http://…`. */
  refresh(value: string): string {
    const at = value.toLowerCase().indexOf('url=')
    if (at < 0) return value
    const quote = value[at + 4] === '"' || value[at + 4] === "'" ? 1 : 0
    const from = at + 4 + quote
    return value.slice(0, from) + this.#outwards(value.slice(from))
  }

  #inwards(address: string, { scheme, host }: Visited): string {
    const origin = originOf(address)
    if (origin === undefined || this.#upstream === undefined) return address
    if (origin.name !== originOf(`${scheme}://${host}`)?.name) return address
    const { protocol, host: upstreamHost } = this.#upstream
    const name = `${protocol}//${this.#settings.preserveHost ? host : upstreamHost}`
    return name + address.slice(origin.length)
  }

  #outwards(address: string): string {
    const origin = originOf(address)
    if (origin === undefined || !this.#own.has(origin.name)) return address
    const rest = address.slice(origin.length)
    if (rest === '') return '/'
    // `//evil.test` behind the origin would be another host once the origin is gone.
    if (rest.startsWith('//') || rest.startsWith('/\\')) return address
    return /^[/?#]/.test(rest) ? rest : `/${rest}`
  }

  *#spellings(host: string | undefined): Iterable<string> {
    if (this.#upstream === undefined) return
    const { protocol, port, origin, hostname } = this.#upstream
    yield origin
    if (loopback.includes(hostname)) {
      for (const name of loopback) yield new URL(`${protocol}//${name}:${port}`).origin
    }
    // By the name that people use, and the scheme that only we use.
    if (host !== undefined) yield new URL(`${protocol}//${host}`).origin
  }
}

const loopback = ['localhost', '127.0.0.1', '[::1]']

/** What an address begins with, as `URL` spells it, and how long that is in the text; `undefined` for what is none. */
function originOf(text: string): { readonly name: string; readonly length: number } | undefined {
  const colon = text.indexOf('://')
  if (colon < 4 || colon > 5) return undefined
  let end = colon + 3
  while (end < text.length && !stops.has(text[end] as string)) end += 1
  const name = text.slice(0, end)
  // With a name and password, or a backslash, it is another address to some readers.
  if (name.includes('@') || name.includes('\\') || !URL.canParse(name)) return undefined
  const { origin, protocol } = new URL(name)
  return protocol === 'http:' || protocol === 'https:' ? { name: origin, length: end } : undefined
}

const stops = new Set(['/', '?', '#', '>', ' ', ';', ',', '"', "'"])
