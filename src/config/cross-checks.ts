import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkAssertionKeys } from './check-identity.js'
import { checkNetworks } from './check-networks.js'
import { checkSite, checkSites } from './check-sites.js'
import type { Complaint } from './complaints.js'
import type { Path } from './problem.js'
import { isLoopback, listenAddress, ownPrefix } from './scalars.js'
import { type Entries, entriesOf, listOf, parsed } from './written.js'

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
