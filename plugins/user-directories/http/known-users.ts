import { foldUsername, type Json, type Store, type User, type UserQuery } from '../../../src/contracts.js'

/** Users who have once given the right password, where the other side can be asked for nothing else. */
export class KnownUsers {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    if ('email' in by) return this.#withEmail(by.email)
    const folded = 'id' in by ? await this.#nameOf(by.id) : foldUsername(by.username)
    const user = folded === undefined ? undefined : await this.#named(folded)
    return user === undefined || ('id' in by && user.id !== by.id) ? [] : [user]
  }

  /** As the other side has just described them. Leads are written first and count only where the record agrees. */
  async keep(user: User): Promise<void> {
    const folded = foldUsername(user.username)
    const before = await this.#named(folded)
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(user)) return
    const formerName = await this.#nameOf(user.id)
    await this.#store.set(idKey(user.id), folded)
    if (user.email !== undefined) await this.#store.set(emailKey(user.email, folded), true)
    await this.#store.set(nameKey(folded), user as unknown as Json)
    if (formerName !== undefined && formerName !== folded) await this.#store.delete(nameKey(formerName))
    if (before?.email !== undefined && before.email !== user.email) {
      await this.#store.delete(emailKey(before.email, folded))
    }
  }

  async #named(folded: string): Promise<User | undefined> {
    return (await this.#store.get(nameKey(folded))) as unknown as User | undefined
  }

  async #nameOf(id: string): Promise<string | undefined> {
    const name = id === '' || id.length > 200 ? undefined : await this.#store.get(idKey(id))
    return typeof name === 'string' ? name : undefined
  }

  async #withEmail(email: string): Promise<readonly User[]> {
    if (email === '' || email.length > 254) return []
    const prefix = emailKey(email, '')
    const leads = await this.#store.list(prefix)
    const users = await Promise.all(leads.map(([key]) => this.#named(decodeURIComponent(key.slice(prefix.length)))))
    return users.filter(
      (user) => user?.email !== undefined && foldUsername(user.email) === foldUsername(email),
    ) as User[]
  }
}

function nameKey(folded: string): string {
  return `name/${encodeURIComponent(folded)}`
}

function idKey(id: string): string {
  return `id/${encodeURIComponent(id)}`
}

function emailKey(email: string, folded: string): string {
  return `email/${encodeURIComponent(foldUsername(email))}/${encodeURIComponent(folded)}`
}
