import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RuleSettings } from '../../access/rule.js'
import { foldCase, PathPattern } from '../../access/targets/path-pattern.js'
import { unreachableRules } from '../../access/unreachable-rules.js'
import type { Complaint } from '../complaints.js'
import type { Path } from '../problem.js'
import { hostName, isLoopback, listenAddress, pathPattern, pathPrefix, upstreamUrl } from '../scalars.js'
import { ruleSchema } from '../schema.js'
import { acceptedIcon, readIcon } from './icon.js'
import { checkIdentity } from './identity.js'
import { checkDenied, checkNetworks, deniedRanges } from './networks.js'
import { type Entries, entriesOf, listOf, parsed } from './raw-values.js'

/** Sites beside each other: of one host and path there is one. */
export function checkSites(top: Entries, prefix: string | undefined, lineOf: (path: Path) => number): Complaint[] {
  const first = new Map<string, number>()
  const complaints: Complaint[] = []
  const listen = parsed(listenAddress(), top['listen'] ?? '127.0.0.1:8080')
  for (const [index, entry] of listOf(top['sites']).entries()) {
    const site = entriesOf(entry)
    const host = site['host'] === undefined ? '' : parsed(hostName(), site['host'])
    const path = parsed(pathPrefix(), site['path'] ?? '/')
    if (path !== undefined && prefix !== undefined && isUnder(path, prefix)) {
      complaints.push({
        path: ['sites', index, 'path'],
        at: 'value',
        message: `lies under ${prefix}, where the gateway’s own pages are`,
      })
    }
    const upstream = parsed(upstreamUrl(), site['upstream'])
    if (upstream !== undefined && upstream !== 'none' && listen !== undefined && isSelf(upstream, listen)) {
      complaints.push({
        path: ['sites', index, 'upstream'],
        at: 'value',
        message: 'is the address the gateway itself listens on',
      })
    }
    if (host === undefined || path === undefined) continue
    const key = `${host} ${path}`
    const earlier = first.get(key)
    if (earlier === undefined) {
      first.set(key, index)
      continue
    }
    const message = `has the same host and path as the site in line ${lineOf(['sites', earlier])}`
    complaints.push({ path: ['sites', index], at: 'value', message, accepted: 'one site for each host and path' })
  }
  return complaints
}

function isUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

function isSelf(upstream: string, listen: { readonly host: string; readonly port: number }): boolean {
  const url = new URL(upstream)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const isAnyHost = listen.host === '0.0.0.0' || listen.host === '::' || isLoopback(listen.host)
  return port === listen.port && isAnyHost && isLoopback(url.hostname)
}

interface SiteContext {
  readonly prefix: string | undefined
  readonly baseDirectory: string
  /** Of the installation. */
  readonly networks: readonly unknown[]
  lineOf(path: Path): number
}

/** One site with its rules. */
export function checkSite(site: Entries, index: number, context: SiteContext): Complaint[] {
  const { prefix, lineOf, baseDirectory } = context
  const sitePath = parsed(pathPrefix(), site['path'] ?? '/')
  const complaints: Complaint[] = []
  const rules = listOf(site['rules']).flatMap((entry, at) => {
    const rule = parsed(ruleSchema, entry)
    return rule ? [{ ...rule, line: lineOf(['sites', index, 'rules', at]), at }] : []
  })
  const placeInList = new Map<RuleSettings, number>(rules.map((rule) => [rule, rule.at]))
  for (const { rule, coveredBy } of unreachableRules(rules)) {
    const path = ['sites', index, 'rules', placeInList.get(rule) ?? 0]
    const message = `is never reached: the rule in line ${coveredBy.line} (${coveredBy.path}) takes every request first`
    complaints.push({ path, at: 'value', message, accepted: 'the narrower rule first' })
  }
  for (const rule of rules) {
    const path = ['sites', index, 'rules', rule.at, 'path']
    if (prefix !== undefined && isUnder(rule.path, prefix)) {
      complaints.push({ path, at: 'value', message: `is never asked: under ${prefix} are the gateway’s own pages` })
    } else if (sitePath !== undefined && isOutside(rule, sitePath)) {
      const accepted = `whole paths, the site’s own included, as in ${sitePath}${rule.path}`
      complaints.push({
        path,
        at: 'value',
        message: `lies outside of ${sitePath}, which is all this site serves`,
        accepted,
      })
    }
    for (const key of ['clients', 'groups', 'users', 'reauthenticate', 'proof'] as const) {
      const written = key === 'reauthenticate' ? rule.reauthenticateSeconds : rule[key]
      if (written === undefined || !['public', 'deny'].includes(rule.access)) continue
      const message = `has no meaning beside access: ${rule.access}, where nobody is asked who they are`
      complaints.push({ path: [...path.slice(0, -1), key], at: 'key', message })
    }
    if (rule.proof !== undefined && rule.access === 'password') {
      const message = 'asks for both factors, beside access: password, which asks for one'
      complaints.push({ path: [...path.slice(0, -1), 'proof'], at: 'key', message, accepted: 'access: second-factor' })
    }
  }
  const networks = listOf(site['networks'])
  return [
    ...complaints,
    ...checkNetworks(networks, ['sites', index, 'networks'], lineOf),
    ...checkDenied(rules, index, [
      ...deniedRanges(context.networks, ['networks'], lineOf),
      ...deniedRanges(networks, ['sites', index, 'networks'], lineOf),
    ]),
    ...checkIdentity(site['identity'], ['sites', index, 'identity']),
    ...checkUpstreamTls(site, index, baseDirectory),
    ...checkPaths('signOut', site, index, prefix),
    ...checkPaths('crossSitePosts', site, index, prefix),
    ...checkPicture(site['icon'], ['sites', index, 'icon'], baseDirectory),
  ]
}

/** Whether a rule's path and the site's differ before the first wildcard. */
function isOutside(rule: { readonly path: string; readonly access: string }, sitePath: string): boolean {
  const ignoreCase = rule.access === 'deny'
  const pattern = new PathPattern(rule.path, { ignoreCase })
  const wanted = (ignoreCase ? foldCase(sitePath) : sitePath).split('/').filter((part) => part !== '')
  const literal = pattern.literalPrefix
  const isWild = literal.length < pattern.segments.length
  return wanted.some((part, index) => (index < literal.length ? literal[index] !== part : !isWild))
}

function checkUpstreamTls(site: Entries, index: number, baseDirectory: string): Complaint[] {
  const tls = site['upstreamTls']
  if (tls === undefined) return []
  const path = ['sites', index, 'upstreamTls']
  const upstream = parsed(upstreamUrl(), site['upstream'])
  if (upstream !== undefined && !upstream.startsWith('https:')) {
    return [{ path, at: 'key', message: `is for https upstreams; this one is ${upstream.split(':')[0]}` }]
  }
  const ca = entriesOf(tls)['ca']
  if (typeof ca !== 'string' || ca === '' || ca.includes('\0')) return []
  const message = certificateProblem(resolve(baseDirectory, ca))
  return message === undefined ? [] : [{ path: [...path, 'ca'], at: 'value', message, accepted: 'a PEM file' }]
}

/** Paths that no request of this site has: of a sign-out, the application would sign out, and the gateway would not. */
function checkPaths(
  key: 'signOut' | 'crossSitePosts',
  site: Entries,
  index: number,
  prefix: string | undefined,
): Complaint[] {
  const sitePath = parsed(pathPrefix(), site['path'] ?? '/')
  return listOf(site[key]).flatMap((entry, at): Complaint[] => {
    const path = parsed(pathPattern(), entry)
    const place = { path: ['sites', index, key, at], at: 'value' as const }
    if (path === undefined) return []
    if (prefix !== undefined && isUnder(path, prefix)) {
      const ours = key === 'signOut' ? `, and ${prefix}/sign-out signs out by itself` : ''
      const message = `is never asked: under ${prefix} are the gateway’s own pages${ours}`
      return [{ ...place, message }]
    }
    if (sitePath === undefined || !isOutside({ path, access: 'public' }, sitePath)) return []
    const accepted = `whole paths, the site’s own included, as in ${sitePath}${path}`
    return [{ ...place, message: `lies outside of ${sitePath}, which is all this site serves`, accepted }]
  })
}

/** A file that our own origin serves as a picture. */
export function checkPicture(file: unknown, path: Path, baseDirectory: string): Complaint[] {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) return []
  const read = readIcon(resolve(baseDirectory, file))
  if ('bytes' in read) return []
  return [{ path, at: 'value', message: read.problem, accepted: acceptedIcon }]
}

function certificateProblem(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return 'is not a file'
    new X509Certificate(readFileSync(file))
    return undefined
  } catch (error) {
    return isMissing(error) ? 'names a file that does not exist' : 'names a file that holds no readable certificate'
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
