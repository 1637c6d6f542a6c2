import { z } from 'zod'
import { foldUsername, spelledNumber, type User, type UserQuery } from '../../../src/contracts.js'
import { callerHeaders } from '../../../src/plugin-kit.js'
import type { Exchange } from './exchange.js'
import type { HttpSettings } from './settings.js'

/** What the other side says of a user. */
const answeredUser = z.object({
  id: z.union([z.string().min(1).max(200), z.int()]).optional(),
  username: z.string().min(1).max(256).optional(),
  email: z.string().max(254).nullish(),
  mobile: z.string().nullish(),
  groups: z.array(z.string().min(1).max(200)).max(1000).nullish(),
})
const answeredUsers = z.union([
  z.array(answeredUser).max(100),
  z.object({ users: z.array(answeredUser).max(100) }).transform(({ users }) => users),
])

/** Asks a service of the operator's by JSON. */
export class CallOut {
  readonly #settings: HttpSettings
  readonly #exchange: Exchange
  readonly #now: () => number

  constructor(settings: HttpSettings, exchange: Exchange, now: () => number) {
    this.#settings = settings
    this.#exchange = exchange
    this.#now = now
  }

  /** @throws on everything but 200 with a user, and 401 */
  async judge(username: string, password: string): Promise<User | undefined> {
    const { status, text } = await this.#post(this.#settings.url ?? '', { username, password })
    if (status === 401) return undefined
    if (status !== 200) throw new Error(`The call-out answered with HTTP status ${status}`)
    const user = userOf(parse(text, answeredUser), username)
    // Somebody else than was asked for: whoever that is, this was not their name.
    return foldUsername(user.username) === foldUsername(username) ? user : undefined
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    const { status, text } = await this.#post(this.#settings.findUrl ?? '', by)
    if (status === 404) return []
    if (status !== 200) throw new Error(`The call-out answered with HTTP status ${status}`)
    const users = parse(text, answeredUsers).map((one) => userOf(one, 'username' in by ? by.username : undefined))
    return users.filter((user) => isAsked(user, by))
  }

  #post(url: string, content: object) {
    const body = JSON.stringify(content)
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      ...callerHeaders(this.#settings, body, this.#now()),
    }
    return this.#exchange.ask(url, { method: 'POST', headers, body }, this.#exchange.deadline())
  }
}

/** @throws without repeating what was answered: it may have anything in it */
function parse<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('The call-out answered with something that is no JSON')
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const where = parsed.error.issues.map(({ path }) => path.join('.') || 'the answer').slice(0, 3)
  throw new Error(`The call-out answered with something that is no user: ${where.join(', ')}`)
}

function userOf({ id, username, email, mobile, groups }: z.output<typeof answeredUser>, asked?: string): User {
  const name = username ?? asked
  if (name === undefined) throw new Error('The call-out answered with a user without a name')
  const number = mobile && spelledNumber(mobile)
  return {
    id: String(id ?? foldUsername(name)),
    username: name,
    groups: groups ?? [],
    ...(email && isAddress(email) ? { email } : {}),
    ...(number && /^\+[1-9]\d{6,14}$/.test(number) ? { mobile: number } : {}),
  }
}

export function isAddress(text: string): boolean {
  return text.length <= 254 && /^[^\s\p{C}]+@[^\s\p{C}@]+$/u.test(text)
}

function isAsked(user: User, by: UserQuery): boolean {
  if ('id' in by) return user.id === by.id
  if ('username' in by) return foldUsername(user.username) === foldUsername(by.username)
  return user.email !== undefined && foldUsername(user.email) === foldUsername(by.email)
}
