import { type Entries, entriesOf, listOf } from './checks/raw-values.js'
import type { Complaint } from './complaints.js'
import { durationText } from './duration-text.js'
import type { Path } from './problem.js'
import { parseDuration } from './scalars.js'

/** Standards that one key of the file sets everything for. */
export const profiles = ['aal2'] as const
export type ProfileName = (typeof profiles)[number]

/** One key that a profile sets where the file leaves it out. */
interface Demand {
  readonly path: readonly [string, string]
  readonly value: string | number | boolean
  /** Whether what the file says is weaker; what is wrong in itself is not, and complained about elsewhere. */
  isWeaker(written: unknown): boolean
}

const DAY = 86_400
const HOUR = 3600

/**
 * NIST SP 800-63B-4, authentication assurance level 2: two factors from everybody (2.2.1), again after 24 hours and after an
 * hour of inactivity (2.2.3), no browser that is remembered in place of a factor (5.1), no codes by mail (3.1.3.1), and
 * passwords of 15 characters where nothing else is asked, of 8 beside a second factor (3.1.1.2).
 */
const aal2: readonly Demand[] = [
  { path: ['secondFactor', 'required'], value: 'everyone', isWeaker: (written) => written === 'when-enabled' },
  { path: ['secondFactor', 'fallback'], value: false, isWeaker: (written) => written === true || written === 'on' },
  { path: ['session', 'duration'], value: '24h', isWeaker: (written) => isLonger(written, DAY) },
  { path: ['session', 'idle'], value: '1h', isWeaker: (written) => written === 'off' || isLonger(written, HOUR) },
  { path: ['session', 'rememberDevice'], value: 'off', isWeaker: (written) => isLonger(written, 0) },
  { path: ['passwords', 'minimum'], value: 8, isWeaker: (written) => isFewer(written, 8) },
  { path: ['passwords', 'minimumAlone'], value: 15, isWeaker: (written) => isFewer(written, 15) },
]

const demands: Readonly<Record<ProfileName, readonly Demand[]>> = { aal2 }

/** The profile the file names, if it names one there is. */
export function profileOf(value: unknown): ProfileName | undefined {
  const written = entriesOf(value)['profile']
  return profiles.find((name) => name === written)
}

/** The values of a file with what its profile sets where the file says nothing. */
export function withProfile(value: unknown): unknown {
  const name = profileOf(value)
  if (name === undefined) return value
  const filled: Record<string, unknown> = { ...entriesOf(value) }
  for (const { path, value: set } of demands[name]) {
    const [group, key] = path
    const there = filled[group] ?? {}
    if (typeof there !== 'object' || Array.isArray(there) || key in there) continue
    filled[group] = { ...there, [key]: set }
  }
  return filled
}

/** What the profile sets that the file leaves out, as in `session.duration: 24h`. */
export function setByProfile(value: unknown): readonly string[] {
  const name = profileOf(value)
  if (name === undefined) return []
  const top = entriesOf(value)
  return demands[name]
    .filter(({ path: [group, key] }) => !(key in entriesOf(top[group])))
    .map(({ path, value: set }) => `${path.join('.')}: ${set}`)
}

/** Keys of the file that are weaker than its profile. */
export function checkProfile(value: unknown): Complaint[] {
  const name = profileOf(value)
  if (name === undefined) return []
  const top = entriesOf(value)
  return [
    ...demands[name].flatMap(({ path, value: least, isWeaker }) => {
      const written = entriesOf(top[path[0]])[path[1]]
      return isWeaker(written) ? [weaker(name, path, wordOf(written), String(least))] : []
    }),
    ...checkGrace(name, top),
    ...checkMethods(name, top),
    ...checkNetworks(name, ['networks'], top['networks']),
    ...listOf(top['sites']).flatMap((site, index) => checkSite(name, ['sites', index], entriesOf(site))),
  ]
}

function checkGrace(name: ProfileName, top: Entries): Complaint[] {
  const { grace } = entriesOf(top['secondFactor'])
  return grace === undefined ? [] : [weaker(name, ['secondFactor', 'grace'], 'a time without', 'none')]
}

/** Mail proves no possession of anything (NIST SP 800-63B-4, 3.1.3.1; ASVS 5.0, V6.6). */
function checkMethods(name: ProfileName, top: Entries): Complaint[] {
  return listOf(entriesOf(top['secondFactor'])['methods']).flatMap((method, index) => {
    const { use } = entriesOf(method)
    if (use !== 'email' && use !== 'magic-link') return []
    return [weaker(name, ['secondFactor', 'methods', index, 'use'], use, 'totp, passkey or sms')]
  })
}

function checkNetworks(name: ProfileName, at: Path, networks: unknown): Complaint[] {
  return listOf(networks).flatMap((network, index) => {
    if (entriesOf(network)['secondFactor'] !== 'not-required') return []
    return [weaker(name, [...at, index, 'secondFactor'], 'not-required', 'required')]
  })
}

function checkSite(name: ProfileName, at: Path, site: Entries): Complaint[] {
  const { enforce } = site
  return [
    ...(enforce === false || enforce === 'off' ? [weaker(name, [...at, 'enforce'], 'false', 'true')] : []),
    ...checkNetworks(name, [...at, 'networks'], site['networks']),
    ...listOf(site['rules']).flatMap((rule, index) => {
      if (entriesOf(rule)['access'] !== 'password') return []
      return [weaker(name, [...at, 'rules', index, 'access'], 'password', 'signed-in or second-factor')]
    }),
  ]
}

function weaker(name: ProfileName, path: Path, written: string, least: string): Complaint {
  const message = `is ${written}, and that is weaker than profile: ${name}, which has ${least}`
  return { path, at: 'value', message, accepted: `${least}, or leave it out; without the profile: what you like` }
}

/** Words and durations that were understood; anything else is not repeated. */
function wordOf(written: unknown): string {
  const seconds = typeof written === 'string' ? parseDuration(written) : undefined
  return seconds === undefined ? String(written) : durationText(seconds)
}

function isLonger(written: unknown, seconds: number): boolean {
  return typeof written === 'string' && (parseDuration(written) ?? 0) > seconds
}

function isFewer(written: unknown, characters: number): boolean {
  return typeof written === 'number' && written < characters
}
