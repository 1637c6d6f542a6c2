import { findTemplateProblem, placeholders } from '../../access/header-template.js'
import { hopByHop } from '../../access/hop-by-hop.js'
import type { Complaint } from '../complaints.js'
import type { Path } from '../problem.js'
import { parseDuration } from '../scalars.js'
import { entriesOf } from './raw-values.js'

/** Said by the gateway to every application, or what a message is made of: nothing that can also say who is there. */
const taken = new Set([
  'host',
  ...hopByHop,
  'expect',
  'content-length',
  'content-type',
  'content-encoding',
  'cookie',
  'date',
  'range',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
])

const daySeconds = 86_400
const hourSeconds = 3600

/** What an own way to tell the application who is there got wrong. Takes the value as it was written. */
export function checkIdentity(identity: unknown, path: Path): Complaint[] {
  const { headers, assertion, basic } = entriesOf(identity)
  const complaints: Complaint[] = []
  const seen = new Map<string, string>()
  const name = (header: string, at: Pick<Complaint, 'path' | 'at'>) => {
    const message = nameProblem(header, seen)
    if (message !== undefined) complaints.push({ ...at, message, accepted: 'the name of a header, as in X-User' })
  }
  for (const [header, template] of Object.entries(entriesOf(headers))) {
    name(header, { path: [...path, 'headers', header], at: 'key' })
    complaints.push(...templateComplaints(template, [...path, 'headers', header]))
  }
  const { header = 'X-Gatelodge-Assertion', lifetime } = entriesOf(assertion)
  if (assertion !== undefined && typeof header === 'string') {
    name(header, { path: [...path, 'assertion', 'header'], at: 'value' })
  }
  if (typeof lifetime === 'string' && (parseDuration(lifetime) ?? 0) > daySeconds) {
    const message = 'is longer than the keys are published for'
    complaints.push({ path: [...path, 'assertion', 'lifetime'], at: 'value', message, accepted: '1d at most' })
  }
  return [...complaints, ...templateComplaints(entriesOf(basic)['username'], [...path, 'basic', 'username'])]
}

export function checkAssertionKeys(top: Readonly<Record<string, unknown>>): Complaint[] {
  const { rotate } = entriesOf(top['assertionKeys'])
  if (typeof rotate !== 'string' || (parseDuration(rotate) ?? hourSeconds) >= hourSeconds) return []
  const message = 'is so short that applications would not have fetched a key before it signs'
  return [{ path: ['assertionKeys', 'rotate'], at: 'value', message, accepted: '1h at least' }]
}

function nameProblem(header: string, seen: Map<string, string>): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(header)) return 'is not the name of a header'
  // As applications read names: `X_User` and `X-User` are one to many.
  const folded = header.toLowerCase().replaceAll('_', '-')
  if (folded === 'authorization') return 'is set by basic: { username, password }'
  if (taken.has(folded)) return 'means something else already'
  const earlier = seen.get(folded)
  seen.set(folded, header)
  return earlier === undefined ? undefined : `is the same header as ${earlier}`
}

function templateComplaints(template: unknown, path: Path): Complaint[] {
  if (typeof template !== 'string') return []
  const message = findTemplateProblem(template)
  const accepted = `text with ${placeholders.map((one) => `{${one}}`).join(', ')}`
  return message === undefined ? [] : [{ path, at: 'value', message, accepted }]
}
