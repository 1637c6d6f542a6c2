import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AddressRangeError, AddressRanges } from '../access/client-address.js'
import { unreachableRules } from '../access/coverage.js'
import { foldCase, PathPattern } from '../access/path-pattern.js'
import type { RuleSettings } from '../access/policy.js'
import { checkAssertionKeys, checkIdentity } from './check-identity.js'
import type { Complaint } from './complaints.js'
import type { Path } from './problem.js'
import { hostName, isLoopback, listenAddress, ownPrefix, pathPrefix, upstreamUrl } from './scalars.js'
import { ruleSchema } from './schema.js'

/**
 * What only shows when several keys, or a key and the disk, are looked at together. Takes the values as they were
 * written: parts that are wrong in themselves are passed over, so that one mistake never hides another.
 */
export function checkTogether(value: unknown, baseDirectory: string, lineOf: (path: Path) => number): Complaint[] {
  const top = entriesOf(value)
  const prefix = parsed(ownPrefix(), top['prefix'] ?? '/.gatelodge')
  return [
    ...checkPublicUrl(top),
    ...checkSites(top, prefix, lineOf),
    ...listOf(top['sites']).flatMap((site, index) =>
      checkSite(entriesOf(site), index, { prefix, lineOf, baseDirectory, networks: listOf(top['networks']) }),
    ),
    ...checkNetworks(listOf(top['networks']), ['networks'], lineOf),
    ...checkGrace(entriesOf(top['secondFactor'])),
    ...checkAssertionKeys(top),
    ...checkMethods(top),
    ...checkDirectories(listOf(top['users'])),
    ...checkTemplates(top['templates'], baseDirectory),
  ]
}

type Entries = Readonly<Record<string, unknown>>

function entriesOf(value: unknown): Entries {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

interface Parser<Output> {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: Output }
}

function parsed<Output>(schema: Parser<Output>, value: unknown): Output | undefined {
  return schema.safeParse(value).data
}

function checkPublicUrl(top: Entries): Complaint[] {
  const listen = parsed(listenAddress(), top['listen'] ?? '127.0.0.1:8080')
  if (top['publicUrl'] !== undefined || !listen || isLoopback(listen.host)) return []
  const message = 'is missing: others can reach this address, and links in mail have to start with the one they know'
  return [{ path: ['publicUrl'], at: 'value', near: ['listen'], message, accepted: 'as in https://crm.example.com' }]
}

function checkSites(top: Entries, prefix: string | undefined, lineOf: (path: Path) => number): Complaint[] {
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

function checkSite(site: Entries, index: number, context: SiteContext): Complaint[] {
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
    for (const key of ['clients', 'groups', 'users', 'reauthenticate'] as const) {
      const written = key === 'reauthenticate' ? rule.reauthenticateSeconds : rule[key]
      if (written === undefined || !['public', 'deny'].includes(rule.access)) continue
      const message = `has no meaning beside access: ${rule.access}, where nobody is asked who they are`
      complaints.push({ path: [...path.slice(0, -1), key], at: 'key', message })
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

function checkNetworks(networks: readonly unknown[], at: Path, lineOf: (path: Path) => number): Complaint[] {
  const complaints: Complaint[] = []
  const earlier: { readonly ranges: AddressRanges; readonly line: number }[] = []
  const allowing = networks.findIndex((entry) => entriesOf(entry)['access'] === 'allow')
  for (const [index, entry] of networks.entries()) {
    const network = entriesOf(entry)
    const path = [...at, index]
    if ('range' in network && network['access'] === undefined) {
      const message =
        allowing !== -1
          ? `turns these clients away, because the entry in line ${lineOf([...at, allowing])} says access: allow`
          : network['secondFactor'] === undefined
            ? 'says nothing about these clients'
            : undefined
      const accepted =
        allowing === -1 ? 'access: deny, access: allow, or secondFactor' : 'access: allow or access: deny'
      if (message !== undefined) complaints.push({ path, at: 'value', message, accepted })
    }
    const ranges = parseRanges(network['range'])
    if (!ranges) continue
    const covering = earlier.find((one) => one.ranges.covers(ranges))
    const together = covering === undefined && AddressRanges.join(earlier.map((one) => one.ranges)).covers(ranges)
    if (covering || together) {
      const who = covering ? `the network in line ${covering.line} has` : 'the networks before it have'
      const message = `is never reached: ${who} all of it`
      complaints.push({ path, at: 'value', message, accepted: 'the narrower network first' })
    }
    earlier.push({ ranges, line: lineOf(path) })
  }
  return complaints
}

interface Denied {
  readonly ranges: AddressRanges
  readonly line: number
}

/** Entries that turn clients away before any other entry can have them. */
function deniedRanges(networks: readonly unknown[], at: Path, lineOf: (path: Path) => number): Denied[] {
  const found: Denied[] = []
  for (const [index, entry] of networks.entries()) {
    const network = entriesOf(entry)
    const ranges = parseRanges(network['range'])
    if (network['access'] !== 'deny') break
    if (ranges) found.push({ ranges, line: lineOf([...at, index]) })
  }
  return found
}

/** Rules for clients that are turned away before any rule is read. */
function checkDenied(
  rules: readonly (RuleSettings & { readonly at: number })[],
  index: number,
  denied: readonly Denied[],
): Complaint[] {
  return rules.flatMap(({ from, at }) => {
    const ranges = from && parseRanges(from)
    const by = ranges && denied.find((one) => one.ranges.covers(ranges))
    if (by === undefined) return []
    const message = `is never reached: the network in line ${by.line} denies all of these clients`
    return [{ path: ['sites', index, 'rules', at], at: 'value' as const, message }]
  })
}

function checkGrace({ grace, unenrolled }: Entries): Complaint[] {
  const path = ['secondFactor', 'grace']
  if (grace === undefined) return []
  if (unenrolled === 'recovery-code') {
    const message = 'has no meaning beside unenrolled: recovery-code, where a recovery code is the only way in'
    return [{ path, at: 'key', message }]
  }
  if (typeof grace !== 'object' || grace === null || Object.keys(grace).length > 0) return []
  return [{ path, at: 'value', message: 'says no end', accepted: 'days, signIns, or both: as in { days: 14 }' }]
}

function parseRanges(value: unknown): AddressRanges | undefined {
  const texts = listOf(value).filter((text) => typeof text === 'string')
  if (texts.length === 0 || texts.length !== listOf(value).length) return undefined
  try {
    return AddressRanges.parse(texts)
  } catch (error) {
    if (error instanceof AddressRangeError) return undefined
    throw error
  }
}

function checkMethods(top: Entries): Complaint[] {
  const complaints: Complaint[] = []
  const seen = new Set<unknown>()
  for (const [index, entry] of listOf(entriesOf(top['secondFactor'])['methods']).entries()) {
    const method = entriesOf(entry)
    const { use } = method
    const path = ['secondFactor', 'methods', index]
    if (use !== undefined && seen.has(use))
      complaints.push({ path: [...path, 'use'], at: 'value', message: 'is listed twice' })
    seen.add(use)
    if ((use === 'email' || use === 'magic-link') && top['mail'] === undefined && method['transport'] === undefined) {
      const message = 'sends mail, and the file does not say how'
      complaints.push({
        path: [...path, 'use'],
        at: 'value',
        message,
        accepted: 'a top-level key mail, as in mail: { use: smtp, ... }',
      })
    }
  }
  return complaints
}

/** Ids begin with these names: two directories of one name would share accounts. */
function checkDirectories(users: readonly unknown[]): Complaint[] {
  const seen = new Set<unknown>()
  return users.flatMap((entry, index) => {
    const { use, name = use } = entriesOf(entry)
    const isTaken = name !== undefined && seen.has(name)
    seen.add(name)
    if (!isTaken) return []
    const message = use === 'local' ? 'is listed twice' : 'has the same name as a directory before it'
    return [
      { path: ['users', index], at: 'value', message, accepted: 'a name of its own, as in name: second' } as const,
    ]
  })
}

function checkTemplates(value: unknown, baseDirectory: string): Complaint[] {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) return []
  try {
    if (statSync(resolve(baseDirectory, value)).isDirectory()) return []
    return [{ path: ['templates'], at: 'value', message: 'is not a directory' }]
  } catch {
    return [{ path: ['templates'], at: 'value', message: 'names a directory that does not exist' }]
  }
}
