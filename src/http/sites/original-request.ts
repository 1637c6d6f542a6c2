import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type AddressRanges, clientAddress, linesOf } from '../../access/client-address.js'
import { GatelodgeError } from '../../errors.js'
import type { Judgeable } from '../gate/gate.js'
import { isHost } from '../listener/server-options.js'

/**
 * The request that another proxy holds and asks about, as if it had come straight from the client: so the gate judges
 * both in the same way.
 */
export interface OriginalRequest extends Judgeable {
  readonly url: string
  readonly method: string
  /** As the proxy passed them on, with the original's host; nothing is left of what the proxy itself said. */
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly scheme: Scheme
  readonly host: string
  /** `nginx` understands 401 and 403 and nothing else; `envoy` may be told which headers to take away. */
  readonly asker: 'nginx' | 'envoy' | 'other'
}

type Scheme = 'http' | 'https'

/** Everything that says something about the request; each may come once, but the scheme, which is a list. */
const said: ReadonlyMap<string, keyof Words> = new Map([
  ['x-forwarded-method', 'forwardedMethod'],
  ['x-original-method', 'originalMethod'],
  ['x-forwarded-proto', 'forwardedProto'],
  ['x-forwarded-host', 'forwardedHost'],
  ['x-forwarded-uri', 'forwardedUri'],
  ['x-original-uri', 'originalUri'],
  ['x-original-url', 'originalUrl'],
] as const)
interface Words {
  forwardedMethod?: string
  originalMethod?: string
  forwardedProto?: string
  forwardedHost?: string
  forwardedUri?: string
  originalUri?: string
  originalUrl?: string
}

const shortest = 14
const longest = 18

/**
 * Reads what a trusted proxy says about the request it holds. Several conventions are understood, and a client can send
 * the headers of one through a proxy that sets those of another: so each thing must be said, and all who say it must
 * agree. The address comes from `X-Forwarded-For` alone; without it the client is unknown, and never the proxy.
 * @param path what the request asks for behind `/forward-auth`: Envoy puts the whole original target there; else empty
 * @param trusted whose word on addresses counts
 * @throws `forward-auth.unclear` and its like, with what was missing or said twice as `cause`
 */
export function originalRequest(
  request: IncomingMessage,
  path: string,
  { trusted, scheme }: { readonly trusted: AddressRanges; readonly scheme: Scheme },
): OriginalRequest {
  const words = wordsOf(request.rawHeaders)
  const full = words.originalUrl === undefined ? undefined : partsOf(words.originalUrl)
  const isEnvoy = path !== ''
  const method = oneOf('the method', words.forwardedMethod, words.originalMethod, isEnvoy ? request.method : undefined)
  const url = oneOf('the address', words.forwardedUri, words.originalUri, full?.target, isEnvoy ? path : undefined)
  const host = oneOf('the host', words.forwardedHost?.toLowerCase(), full?.host) ?? request.headers.host ?? ''
  if (method === undefined) throw unclear('neither X-Forwarded-Method nor X-Original-Method was sent')
  if (url === undefined) throw unclear('neither X-Forwarded-Uri nor X-Original-URL was sent')
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) throw unclear('the method is none')
  // Passed on by nobody, as when they come straight here.
  if (method === 'TRACE' || method === 'CONNECT') throw new GatelodgeError('method-not-allowed')
  if (!isHost(host)) throw new GatelodgeError('request.host')

  const forwardedFor = request.headers['x-forwarded-for']
  const counted = { hops: 1 }
  const address =
    forwardedFor === undefined
      ? undefined
      : clientAddress(request.socket.remoteAddress, linesOf(forwardedFor), trusted, counted)?.text
  const proto = oneOf('the scheme', schemeOf(atHop(words.forwardedProto, counted.hops)), full?.scheme)
  return {
    url,
    method,
    headers: { ...request.headers, 'x-forwarded-for': undefined, host },
    rawHeaders: request.rawHeaders,
    socket: { remoteAddress: address },
    // Behind an https address nobody is led to http, whatever the last hop was.
    scheme: scheme === 'https' ? scheme : (proto ?? scheme),
    host,
    asker: isEnvoy ? 'envoy' : isNginx(words) ? 'nginx' : 'other',
  }
}

function wordsOf(raw: readonly string[]): Words {
  const words: Words = {}
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string
    if (name.length < shortest || name.length > longest) continue
    const key = said.get(name.toLowerCase())
    if (key === undefined || raw[at + 1] === '') continue
    const before = words[key]
    const isList = key === 'forwardedProto'
    if (before !== undefined && !isList) throw unclear(`${name} comes twice`)
    words[key] = before === undefined ? (raw[at + 1] as string) : `${before},${raw[at + 1]}`
  }
  return words
}

/** What all say that say anything; an attacker's word beside the proxy's makes two. */
function oneOf<Text extends string>(what: string, ...values: readonly (Text | undefined)[]): Text | undefined {
  let found: Text | undefined
  for (const value of values) {
    if (value === undefined || value === found) continue
    if (found !== undefined) throw unclear(`${what} is said in two ways`)
    found = value
  }
  return found
}

/** `https://crm.example.com/page?x=1` as nginx is told to write it, or the path alone. */
function partsOf(url: string): { target: string; host?: string; scheme?: Scheme | undefined } {
  if (url.startsWith('/')) return { target: url }
  const [, proto, host, target] = /^([a-z]+):\/\/([^/?#@\\]+)(\/.*)$/i.exec(url) ?? []
  if (host === undefined || target === undefined) throw unclear('X-Original-URL is no address')
  return { target, host: host.toLowerCase(), scheme: schemeOf(proto) }
}

/**
 * What a chain of proxies says of one thing, each adding its word at the end (`https, http`), as that proxy said it to which the
 * client came: so many words from the right as trusted proxies named addresses. What stands left of it the client may have written.
 */
function atHop(list: string | undefined, hops: number): string | undefined {
  if (list === undefined || !list.includes(',')) return list
  const words = list.split(',').map((word) => word.trim())
  return words[Math.max(0, words.length - Math.max(1, hops))]
}

/** Traefik says `ws` and `wss` for WebSockets. */
function schemeOf(text: string | undefined): Scheme | undefined {
  const scheme = text?.toLowerCase().replace(/^ws/, 'http')
  if (scheme === undefined || scheme === 'http' || scheme === 'https') return scheme
  throw unclear('the scheme is neither http nor https')
}

function isNginx({ originalUrl, originalUri, originalMethod }: Words): boolean {
  return originalUrl !== undefined || originalUri !== undefined || originalMethod !== undefined
}

/** The reason is for the operator: it goes back to the proxy, and names nothing but headers. */
function unclear(reason: string): GatelodgeError {
  return new GatelodgeError('forward-auth.unclear', { cause: reason })
}
