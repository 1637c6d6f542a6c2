import type { Complaint } from '../complaints.js'
import type { Path } from '../problem.js'
import type { Settings } from '../schema.js'
import { type Entries, entriesOf, listOf } from './raw-values.js'

/**
 * Where people sign in, where the file does not say: at the portal, once there is more than one host. A site that answers
 * to any host has none to come back to, so beside one every host stays for itself, as before there was a portal.
 */
export function signInAt({
  signIn,
  publicUrl,
  sites,
}: Pick<Settings, 'signIn' | 'publicUrl' | 'sites'>): 'portal' | 'each-host' {
  if (signIn.at !== undefined) return signIn.at
  if (sites.some(({ host }) => host === undefined)) return 'each-host'
  const hosts = new Set(sites.map(({ host }) => host))
  if (publicUrl !== undefined) hosts.add(new URL(publicUrl).hostname)
  return hosts.size > 1 ? 'portal' : 'each-host'
}

/** One sign-in for every host needs the hosts by name. */
export function checkSignIn(top: Entries, lineOf: (path: Path) => number): Complaint[] {
  if (entriesOf(top['signIn'])['at'] !== 'portal') return []
  const index = listOf(top['sites']).findIndex((site) => entriesOf(site)['host'] === undefined)
  if (index < 0) return []
  const line = lineOf(['sites', index])
  const message = `needs every site to name its host, so that people can be brought back to it; the one in line ${line} answers to any`
  return [{ path: ['signIn', 'at'], at: 'value', message, accepted: 'a host for that site, or at: each-host' }]
}
