import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { findPatternProblem } from '../access/targets/path-pattern.js'
import { MasterKey } from '../secrets/master-key.js'

/**
 * The smallest parts of the configuration: one schema for each kind of value, from the text in YAML to what the rest of
 * the gateway works with. `accepts` in the metadata is what a complaint says would have been right.
 */

const secondsPerUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const tenYearsSeconds = 10 * 365 * 86_400

/** `30s`, `5m`, `12h` or `90d` as seconds; `undefined` when it is none, is nothing, or is longer than ten years. */
export function parseDuration(text: string): number | undefined {
  const seconds = Number(text.slice(0, -1)) * (secondsPerUnit[text.slice(-1)] ?? Number.NaN)
  return /^[0-9]{1,10}[smhd]$/.test(text) && seconds > 0 && seconds <= tenYearsSeconds ? seconds : undefined
}

/** `60/m`, `5/s`, `1000/h` or `10000/d`; `undefined` when it is none. */
export function parseRate(text: string): { readonly requests: number; readonly seconds: number } | undefined {
  const [, requests, unit = ''] = /^([1-9][0-9]{0,6})\/([smhd])$/.exec(text) ?? []
  return requests === undefined ? undefined : { requests: Number(requests), seconds: secondsPerUnit[unit] ?? 60 }
}

/** Says what is wrong with a value, in words that do not repeat the value. */
type Refuse = (message: string) => undefined

/** A text that becomes something else: `parse` returns what it becomes, or what `refuse` returns. */
function text<Output>(parse: (value: string, refuse: Refuse) => Output | undefined) {
  return z.string().transform((value, context): Output => {
    const refuse: Refuse = (message) => {
      context.issues.push({ code: 'custom', message, input: value })
      return undefined
    }
    const output = parse(value, refuse)
    if (output !== undefined) return output
    if (context.issues.length === 0) refuse('is not understood')
    return z.NEVER
  })
}

/** For editors: they see `${NAME}` where we see what it stands for. */
const referencePattern = '\\$\\{.+\\}'
const durationPattern = '^[0-9]+[smhd]$'
/** What a number alone is most likely meant in. */
const durationUnits = ['m', 'h', 'd']
const durationAccepts = 'a whole number and a unit, as in 30s, 5m, 12h or 90d'

/** Keys as a key file has them, kept as text. */
export function masterKeys() {
  return text((value, refuse) => {
    const read = MasterKey.read(value)
    return 'fault' in read ? refuse(read.fault) : value
  }).meta({
    accepts: '32 random bytes as base64 or hexadecimal, as in "${file:./gatelodge.key}": gatelodge keys new makes them',
  })
}

/** Seconds. */
export function duration() {
  return text((value, refuse) => parseDuration(value) ?? refuse('is not a duration')).meta({
    accepts: durationAccepts,
    units: durationUnits,
    pattern: `${durationPattern}|${referencePattern}`,
  })
}

/** Seconds, or `undefined` for `off`. */
export function durationOrOff() {
  return z
    .string()
    .transform((value, context): number | undefined => {
      if (value === 'off') return undefined
      const seconds = parseDuration(value)
      if (seconds === undefined) context.issues.push({ code: 'custom', message: 'is not a duration', input: value })
      return seconds
    })
    .meta({
      accepts: `${durationAccepts}; or off`,
      units: durationUnits,
      pattern: `^off$|${durationPattern}|${referencePattern}`,
    })
}

/** A number of requests in a span of time, or `undefined` for `off`. */
export function rateOrOff() {
  return z
    .string()
    .transform((value, context): ReturnType<typeof parseRate> => {
      const rate = value === 'off' ? undefined : parseRate(value)
      if (rate === undefined && value !== 'off') {
        context.issues.push({ code: 'custom', message: 'is not a rate', input: value })
      }
      return rate
    })
    .meta({
      accepts: 'a number of requests and a unit, as in 5/s, 60/m, 1000/h or 10000/d; or off',
      pattern: `^off$|^[1-9][0-9]*/[smhd]$|${referencePattern}`,
    })
}

/** `true` and `on`, `false` and `off`. */
export function flag() {
  return z
    .union([z.boolean(), z.enum(['on', 'off'])])
    .transform((value) => value === true || value === 'on')
    .meta({ accepts: 'true or false' })
}

export function wholeNumber(least: number, most: number) {
  return z
    .int()
    .min(least)
    .max(most)
    .meta({ accepts: `a whole number from ${least} to ${most}` })
}

/** Words people read: one line, no control characters. */
export function line(most: number) {
  return z
    .string()
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u)
    .max(most)
    .meta({ accepts: `one line of 1 to ${most} characters` })
}

/** Where to listen. */
export interface ListenAddress {
  /** Without the brackets of IPv6. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
}

/** `host:port`, with IPv6 in brackets. */
export function listenAddress() {
  return text((value, refuse): ListenAddress | undefined => {
    const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):([0-9]{1,5})$/.exec(value)
    const port = Number(parts?.[3])
    if (!parts || port > 65_535) return refuse('is not an address to listen on')
    return { host: parts[1] ?? parts[2] ?? '', port }
  }).meta({ accepts: 'host:port, as in 127.0.0.1:8080, 0.0.0.0:8080 or "[::1]:8080"' })
}

/** Whether nobody outside this machine can reach a listener or a URL of this host. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(bare)
}

function parseHttpUrl(value: string): URL | undefined {
  if (!/^https?:\/\/[^\s/\\?#]/i.test(value) || !URL.canParse(value)) return undefined
  return new URL(value)
}

function bareOrigin(value: string, refuse: Refuse): URL | undefined {
  const url = parseHttpUrl(value)
  if (!url) return refuse('is not an http or https URL')
  if (url.username !== '' || url.password !== '') return refuse('carries a user name or password')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || /[?#]/.test(value)) {
    return refuse('goes on after the host and port')
  }
  return url
}

/** The application behind a site, as an origin without a slash at the end, or `none`. */
export function upstreamUrl() {
  return text((value, refuse) => (value === 'none' ? value : bareOrigin(value, refuse)?.origin)).meta({
    accepts:
      'a URL of scheme, host and port alone, as in http://127.0.0.1:3000 (paths go on as they came); or none, where another proxy asks by forward-auth',
  })
}

/** The address people type, as an origin. Cookies that carry a session need https, but for localhost. */
export function publicUrl() {
  return text((value, refuse) => {
    const url = bareOrigin(value, refuse)
    if (!url) return undefined
    if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      return refuse('is http, where browsers would not keep the session cookie and links in mail could be read')
    }
    return url.origin
  }).meta({ accepts: 'an https URL without a path, as in https://crm.example.com (http for localhost only)' })
}

/** A host as a browser sends it: lower case, without a port, international names in their ASCII form. */
export function hostName() {
  return text((value, refuse) => {
    if (/^\[[0-9A-Fa-f:.]+\]$/.test(value) && URL.canParse(`http://${value}`))
      return new URL(`http://${value}`).hostname
    if (/:[0-9]*$/.test(value)) return refuse('names a port; hosts are compared without it')
    if (value.includes('*')) return refuse('has a wildcard; name each host, or leave host out for any')
    const ascii = domainToASCII(value)
    const isName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/
    return isName.test(ascii) ? ascii : refuse('is not a host name')
  }).meta({ accepts: 'a host name without scheme, port or path, as in crm.example.com' })
}

/** The path prefix of a site: `/`, or segments without a slash at the end. */
export function pathPrefix() {
  return text((value, refuse) => {
    const trimmed = value.length > 1 ? value.replace(/\/$/, '') : value
    if (!/^(\/|(\/[A-Za-z0-9._~!$&'()+,;=:@-]+)+)$/.test(trimmed)) return refuse('is not a path')
    return hasDotSegment(trimmed) ? refuse('has a . or .. segment') : trimmed
  }).meta({ accepts: 'a path of whole segments, as in / or /crm' })
}

/** Where the gateway's own pages live: never the root, which belongs to the applications. */
export function ownPrefix() {
  return text((value, refuse) => {
    if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(value)) return refuse('is not a path of its own')
    return hasDotSegment(value) ? refuse('has a . or .. segment') : value
  }).meta({ accepts: 'a path that starts with a slash and does not end with one, as in /.gatelodge' })
}

function hasDotSegment(path: string): boolean {
  return path.split('/').some((part) => part === '.' || part === '..')
}

/** A pattern of paths, as rules have it. */
export function pathPattern() {
  return text((value, refuse) => {
    if (value.length > 1024) return refuse('is longer than 1024 characters')
    const problem = findPatternProblem(value)
    return problem === undefined ? value : refuse(problem)
  }).meta({ accepts: 'a path; * stands for part of one segment, ** for any depth, as in /api/** or /img/*.png' })
}

export function httpMethod() {
  return z
    .string()
    .regex(/^[A-Z][A-Z-]{0,30}$/)
    .meta({ accepts: 'a method in capitals, as in GET, POST or DELETE', known: httpMethods })
}

const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
