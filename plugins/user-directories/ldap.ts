import { randomBytes } from 'node:crypto'
import type { Client, Filter } from 'ldapts'
import {
  definePlugin,
  foldUsername,
  type Host,
  type User,
  type UserDirectory,
  type UserQuery,
} from '../../src/contracts.js'
import { Connections } from './ldap/connections.js'
import { type LdapAttributes, type LdapEntry, textsOf, userOf } from './ldap/entry.js'
import { type LdapSettings, presets, settings } from './ldap/settings.js'

/**
 * Users of an LDAP server or Active Directory: found by a search, let in by a bind with their own password. Referrals are
 * not followed.
 */
export default definePlugin({
  kind: 'user-directories',
  options: settings,
  // Most gateways have no LDAP server, and need not load what speaks to one.
  create: async (options, host): Promise<LdapDirectory> => new LdapDirectory(options, host, await import('ldapts')),
})

type Ldapts = typeof import('ldapts')

/** Somebody who may sign in, and the name the server knows them by. */
interface Person {
  readonly dn: string
  readonly user: User
}

class LdapDirectory implements UserDirectory {
  readonly #options: LdapSettings
  readonly #attributes: LdapAttributes
  readonly #ldapts: Ldapts
  /** Bound as who searches. */
  readonly #searching: Connections
  /** Bound as one user after the other. */
  readonly #binding: Connections
  readonly #users: readonly Filter[]

  constructor(options: LdapSettings, host: Host, ldapts: Ldapts) {
    const { url, startTls, ca, bind, timeoutSeconds, connections, attributes, preset } = options
    this.#options = options
    this.#ldapts = ldapts
    const { filter, disabled, ...standard } = presets[preset]
    this.#attributes = { ...standard, ...given(attributes) }
    const out = options.disabled ?? disabled
    this.#users = [
      parse(ldapts, options.filter ?? filter, 'filter'),
      ...(out === undefined ? [] : [new ldapts.NotFilter({ filter: parse(ldapts, out, 'disabled') })]),
    ]
    if (options.groups !== undefined) parse(ldapts, fill(options.groups.filter, 'cn=x', 'x'), 'groups.filter')
    const how = { urls: [url].flat(), startTls, ca, deadline: timeoutSeconds * 1000, most: connections, now: host.now }
    this.#searching = new Connections(how, async (client) => {
      if (bind !== undefined) await client.bind(bind.dn, bind.password)
    })
    this.#binding = new Connections(how, async () => undefined)
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    const person = await this.#named(username)
    // Without a password a bind says who one claims to be and succeeds (RFC 4513, 5.1.2); a zero byte ends it in C.
    const usable = password !== '' && password.length <= LONGEST_PASSWORD && !password.includes('\0')
    // Who is not there, and what is no password, cost a bind too.
    const dn =
      person !== undefined && usable ? person.dn : `cn=${randomBytes(12).toString('hex')},${this.#options.base}`
    const isRight = await this.#binds(dn, usable ? password : randomBytes(12).toString('hex'))
    return isRight && usable && person !== undefined ? this.#withGroups(person) : undefined
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    if ('email' in by) return this.#withEmail(by.email)
    const person = 'id' in by ? await this.#withId(by.id) : await this.#named(by.username)
    const user = await this.#withGroups(person ?? NOBODY)
    return person === undefined ? [] : [user]
  }

  /** The server has no order and no pages of its own: of more than it gives at once, some are not found. */
  async search(
    text: string,
    { after, limit = 100 }: { after?: string; limit?: number } = {},
  ): Promise<readonly User[]> {
    if (text === '' || text.length > LONGEST_TEXT || text.includes('\0')) return []
    const { OrFilter, SubstringFilter } = this.#ldapts
    const { username, displayName, email } = this.#attributes
    const filters = [username, displayName, email].map((attribute) => new SubstringFilter({ attribute, any: [text] }))
    const found = await this.#ask(new OrFilter({ filters }), MOST_FOUND)
    const keyed = found.map((person) => ({ key: foldUsername(person.user.username), person }))
    const rest = keyed.filter(({ key }) => after === undefined || key > foldUsername(after))
    rest.sort((a, b) => (a.key < b.key ? -1 : 1))
    const users: User[] = []
    // One after the other: whoever signs in meanwhile needs connections, too.
    for (const { person } of rest.slice(0, limit)) users.push(await this.#withGroups(person))
    return users
  }

  async close(): Promise<void> {
    this.#searching.close()
    this.#binding.close()
  }

  async #named(username: string): Promise<Person | undefined> {
    // A name nobody can have is asked for as another one: the answer takes as long.
    const asked = isName(username) ? username : randomBytes(12).toString('hex')
    const found = await this.#search(this.#attributes.username, asked, 8)
    return only(found.filter(({ user }) => foldUsername(user.username) === foldUsername(username)))
  }

  async #withId(id: string): Promise<Person | undefined> {
    const isBytes = this.#attributes.id.toLowerCase() === 'objectguid'
    if (id === '' || id.length > 200 || (isBytes && !/^[0-9a-f]{32}$/.test(id))) return undefined
    const found = await this.#search(this.#attributes.id, isBytes ? Buffer.from(id, 'hex') : id, 2)
    return only(found.filter(({ user }) => user.id === id))
  }

  async #withEmail(email: string): Promise<readonly User[]> {
    if (email.length > 254 || !/^[^\s\p{C}]+@[^\s\p{C}@]+$/u.test(email)) return []
    const found = await this.#search(this.#attributes.email, email, MOST_WITH_ONE_ADDRESS)
    // Mail goes to the address the user has here, so it has to be the one that was asked for.
    const those = found.filter(
      ({ user }) => user.email !== undefined && foldUsername(user.email) === foldUsername(email),
    )
    return Promise.all(those.map((person) => this.#withGroups(person)))
  }

  /** The value travels beside the filter, never in its text: nothing in it can become a part of the filter. */
  #search(attribute: string, value: string | Buffer, sizeLimit: number): Promise<readonly Person[]> {
    return this.#ask(new this.#ldapts.EqualityFilter({ attribute, value }), sizeLimit)
  }

  async #ask(wanted: Filter, sizeLimit: number): Promise<readonly Person[]> {
    const filter = new this.#ldapts.AndFilter({ filters: [...this.#users, wanted] })
    const { base, scope } = this.#options
    const isBytes = this.#attributes.id.toLowerCase() === 'objectguid'
    const { searchEntries } = await this.#searching.use((client) =>
      client.search(base, {
        scope,
        filter,
        sizeLimit,
        attributes: [...new Set(Object.values(this.#attributes))],
        ...(isBytes ? { explicitBufferAttributes: [this.#attributes.id] } : {}),
      }),
    )
    return searchEntries.flatMap((entry) => {
      const user = userOf(entry as LdapEntry, this.#attributes)
      return user === undefined ? [] : [{ dn: entry.dn, user }]
    })
  }

  async #withGroups({ dn, user }: Person): Promise<User> {
    const { groups } = this.#options
    if (groups === undefined) return user
    const filter = this.#ldapts.FilterParser.parseString(fill(groups.filter, dn, user.username))
    const search = (client: Client) =>
      client.search(groups.base, { scope: groups.scope, filter, attributes: [groups.name], sizeLimit: MOST_GROUPS })
    const { searchEntries } = await this.#searching.use(search)
    const names = searchEntries.flatMap((entry) => textsOf(entry as LdapEntry, groups.name).slice(0, 1))
    return { ...user, groups: [...new Set([...user.groups, ...names])] }
  }

  /** @throws when the server says neither yes nor no */
  async #binds(dn: string, password: string): Promise<boolean> {
    try {
      await this.#binding.use((client) => client.bind(dn, password))
      return true
    } catch (fault) {
      if (this.#isNo(fault)) return false
      throw fault
    }
  }

  /** Wrong, locked, expired, without a password, gone meanwhile: servers have several words for no. */
  #isNo(fault: unknown): boolean {
    const l = this.#ldapts
    const words = [
      l.InvalidCredentialsError,
      l.InappropriateAuthError,
      l.NoSuchObjectError,
      l.UnwillingToPerformError,
      l.ConstraintViolationError,
      l.InsufficientAccessError,
      l.InvalidDNSyntaxError,
    ]
    return words.some((word) => fault instanceof word)
  }
}

const LONGEST_PASSWORD = 512
const MOST_WITH_ONE_ADDRESS = 50
const MOST_GROUPS = 500
const MOST_FOUND = 500
const LONGEST_TEXT = 200

/** In whose place groups are searched for where there is nobody. */
const NOBODY: Person = { dn: 'cn=nobody', user: { id: '', username: 'nobody', groups: [] } }

/** Two entries of one name are nobody in particular, and it is not for us to choose. */
function only(found: readonly Person[]): Person | undefined {
  if (found.length > 1) throw new Error('Two entries of the directory have the same name')
  return found[0]
}

function isName(username: string): boolean {
  return username.length > 0 && username.length <= 128 && !/\p{C}/u.test(username)
}

/** The library takes a filter that ends too early for one that ends there. */
function parse({ FilterParser }: Ldapts, text: string, option: string): Filter {
  if (!isBalanced(text)) throw new Error(`${option} is no LDAP filter (RFC 4515)`)
  try {
    return FilterParser.parseString(text)
  } catch {
    throw new Error(`${option} is no LDAP filter (RFC 4515)`)
  }
}

/** One pair of parentheses around everything. */
function isBalanced(text: string): boolean {
  let depth = 0
  for (const [at, sign] of [...text].entries()) {
    if (sign === '(') depth += 1
    if (sign === ')') depth -= 1
    if (depth < 1 && at < text.length - 1) return false
  }
  return depth === 0
}

function fill(template: string, dn: string, username: string): string {
  return template.replace(/\{(dn|username)\}/g, (_, name) => escaped(name === 'dn' ? dn : username))
}

/** RFC 4515, 3. */
function escaped(value: string): string {
  return value.replace(/[\\*()\0]/g, (sign) => `\\${sign.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function given(attributes: LdapSettings['attributes']): Partial<LdapAttributes> {
  return Object.fromEntries(Object.entries(attributes).filter(([, name]) => name !== undefined))
}
