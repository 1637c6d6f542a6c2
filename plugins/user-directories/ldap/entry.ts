import { foldUsername, spelledNumber, type User } from '../../../src/contracts.js'

/** What the server gave of one entry. */
export interface LdapEntry {
  readonly dn: string
  readonly [attribute: string]: string | Buffer | readonly string[] | readonly Buffer[]
}

/** The attributes a user is read from. */
export interface LdapAttributes {
  readonly id: string
  readonly username: string
  readonly displayName: string
  readonly email: string
  readonly mobile: string
  readonly memberOf: string
}

/** What an entry says of its user, without the groups that are searched; `undefined` for what is nobody we could let in. */
export function userOf(entry: LdapEntry, attributes: LdapAttributes): User | undefined {
  const id = idOf(entry, attributes.id)
  const username = usernameOf(entry, attributes.username)
  // Nobody's DN: a bind with it would succeed with any password (RFC 4513, 5.1.2).
  if (id === undefined || username === undefined || entry.dn === '') return undefined
  const displayName = textsOf(entry, attributes.displayName).find((text) => /^[^\s\p{C}][^\p{C}]{0,199}$/u.test(text))
  const email = textsOf(entry, attributes.email).find((text) => /^[^\s\p{C}]+@[^\s\p{C}@]+$/u.test(text))
  const mobile = textsOf(entry, attributes.mobile)
    .map(spelledNumber)
    .find((text) => /^\+[1-9]\d{6,14}$/.test(text))
  const groups = textsOf(entry, attributes.memberOf).flatMap((dn) => firstValueOf(dn) ?? [])
  return {
    id,
    username,
    groups: [...new Set(groups)],
    ...(displayName === undefined ? {} : { displayName }),
    ...(email === undefined ? {} : { email }),
    ...(mobile === undefined ? {} : { mobile }),
  }
}

/** Text as it is, bytes (objectGUID) in hexadecimal. */
function idOf(entry: LdapEntry, attribute: string): string | undefined {
  const [value] = valuesOf(entry, attribute)
  if (value === undefined || value.length === 0 || value.length > 200) return undefined
  return typeof value === 'string' ? value : value.toString('hex')
}

/**
 * One name, also where the attribute has several values, which have no order: the one in the DN, else the first of the
 * alphabet. The others let nobody in: names are compared with those of other directories, one by one.
 */
function usernameOf(entry: LdapEntry, attribute: string): string | undefined {
  const names = textsOf(entry, attribute).toSorted()
  const inDn = firstValueOf(entry.dn)
  const name = names.find((one) => inDn !== undefined && foldUsername(one) === foldUsername(inDn)) ?? names[0]
  const isUsable =
    name !== undefined && [...name].length <= 64 && /^[^\s\p{C}:](?:[^\p{C}\t:]*[^\s\p{C}:])?$/u.test(name)
  return isUsable ? name : undefined
}

export function textsOf(entry: LdapEntry, attribute: string): string[] {
  return valuesOf(entry, attribute).map((value) => (typeof value === 'string' ? value : value.toString('utf8')))
}

/** Names of attributes are compared without case (RFC 4512, 2.5). */
function valuesOf(entry: LdapEntry, attribute: string): ReadonlyArray<string | Buffer> {
  const wanted = attribute.toLowerCase()
  const [, found] = Object.entries(entry).find(([name]) => name.toLowerCase() === wanted) ?? []
  if (found === undefined) return []
  return typeof found === 'string' || Buffer.isBuffer(found) ? [found] : found
}

/** Of `cn=Staff\, all,ou=groups,…` the `Staff, all` (RFC 4514). */
export function firstValueOf(dn: string): string | undefined {
  const [, raw] = /^[^=,+]+=((?:\\.|[^\\,+])*)/s.exec(dn) ?? []
  if (raw === undefined || raw.trim() === '') return undefined
  return raw
    .replace(/(?:\\[0-9a-fA-F]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8'))
    .replace(/\\(.)/gs, '$1')
    .trim()
}
