import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Complaint } from '../complaints.js'
import type { Path } from '../problem.js'
import { checkProfile } from '../profile.js'
import { isLoopback, listenAddress, ownPrefix, publicUrl } from '../scalars.js'
import { checkAssertionKeys } from './identity.js'
import { checkNetworks } from './networks.js'
import { type Entries, entriesOf, listOf, parsed } from './raw-values.js'
import { checkSignIn } from './sign-in.js'
import { checkPicture, checkSite, checkSites } from './sites.js'

/**
 * What only shows when several keys, or a key and the disk, are looked at together. Takes the values as they were
 * written: parts that are wrong in themselves are passed over, so that one mistake never hides another.
 */
export function checkTogether(value: unknown, baseDirectory: string, lineOf: (path: Path) => number): Complaint[] {
  const top = entriesOf(value)
  const prefix = parsed(ownPrefix(), top['prefix'] ?? '/.gatelodge')
  return [
    ...checkPublicUrl(top),
    ...checkSignIn(top, lineOf),
    ...checkSites(top, prefix, lineOf),
    ...listOf(top['sites']).flatMap((site, index) =>
      checkSite(entriesOf(site), index, { prefix, lineOf, baseDirectory, networks: listOf(top['networks']) }),
    ),
    ...checkNetworks(listOf(top['networks']), ['networks'], lineOf),
    ...checkProfile(value),
    ...checkGrace(entriesOf(top['secondFactor'])),
    ...checkAssertionKeys(top),
    ...checkMethods(top),
    ...checkPasskeyRules(top),
    ...checkPasskeyHost(top),
    ...checkDirectories(listOf(top['users'])),
    ...checkSecrets(top),
    ...checkPicture(entriesOf(top['brand'])['logo'], ['brand', 'logo'], baseDirectory),
    ...checkTemplates(top['templates'], baseDirectory),
  ]
}

function checkPublicUrl(top: Entries): Complaint[] {
  const listen = parsed(listenAddress(), top['listen'] ?? '127.0.0.1:8080')
  if (top['publicUrl'] !== undefined || !listen || isLoopback(listen.host)) return []
  const message = 'is missing: others can reach this address, and links in mail have to start with the one they know'
  return [{ path: ['publicUrl'], at: 'value', near: ['listen'], message, accepted: 'as in https://crm.example.com' }]
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

/** Nobody would ever pass. Plugins of others may resist phishing as well. */
function checkPasskeyRules(top: Entries): Complaint[] {
  const methods = listOf(entriesOf(top['secondFactor'])['methods']).map((method) => entriesOf(method)['use'])
  if (methods.some((use) => use === 'passkey' || (typeof use === 'string' && !ownMethods.has(use)))) return []
  return listOf(top['sites']).flatMap((site, siteIndex) =>
    listOf(entriesOf(site)['rules']).flatMap((rule, index): Complaint[] => {
      if (entriesOf(rule)['proof'] !== 'passkey') return []
      const message = 'asks for a passkey, and nobody can set one up'
      const accepted = 'use: passkey among secondFactor.methods'
      return [{ path: ['sites', siteIndex, 'rules', index, 'proof'], at: 'value', message, accepted }]
    }),
  )
}

const ownMethods: ReadonlySet<string> = new Set(['totp', 'sms', 'email', 'magic-link'])

/** Browsers ask for passkeys at a host that has a name, over https, and for its own domain or a parent of it. */
function checkPasskeyHost(top: Entries): Complaint[] {
  const methods = listOf(entriesOf(top['secondFactor'])['methods'])
  const index = methods.findIndex((method) => entriesOf(method)['use'] === 'passkey')
  const origin = top['publicUrl'] === undefined ? undefined : parsed(publicUrl(), top['publicUrl'])
  if (index < 0 || origin === undefined) return []
  const { protocol, hostname } = new URL(origin)
  const path = ['secondFactor', 'methods', index]
  const needs = (message: string): Complaint[] => [
    { path: [...path, 'use'], at: 'value', near: ['publicUrl'], message },
  ]
  if (/^[\d.]+$|:/.test(hostname)) return needs('needs a host name in publicUrl, which has an address')
  const isLocal = hostname === 'localhost' || hostname.endsWith('.localhost')
  if (protocol !== 'https:' && !isLocal)
    return needs('needs https in publicUrl: browsers ask for passkeys nowhere else')
  const { rpId } = entriesOf(methods[index])
  if (typeof rpId !== 'string' || rpId === hostname || (hostname.endsWith(`.${rpId}`) && rpId.includes('.'))) return []
  const accepted = `${hostname}, or a parent of it`
  return [{ path: [...path, 'rpId'], at: 'value', message: 'is not the host of publicUrl or a parent of it', accepted }]
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

/** Gateways that share a store have to share the key as well, and only the embedded store has a place beside it. */
function checkSecrets(top: Entries): Complaint[] {
  const { use = 'embedded' } = entriesOf(top['store'])
  if (use === 'embedded' || entriesOf(top['secrets'])['key'] !== undefined) return []
  const message = 'is missing: every gateway on this store needs the key that its secrets are sealed with'
  const accepted = 'secrets: { key: "${file:./gatelodge.key}" }, a file that gatelodge keys new makes'
  return [{ path: ['secrets', 'key'], at: 'value', near: ['store'], message, accepted }]
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
