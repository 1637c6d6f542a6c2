import type { Audit } from '../../audit/audit.js'
import type { Store, User, UserDirectory } from '../../contracts.js'
import { passwordFault } from '../passwords/password-rules.js'
import type { ClientFacts } from '../store/client-facts.js'
import { mailAddress } from '../store/contact-forms.js'
import { drawToken, hashOf, isSame, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'
import type { RuntimeSettings } from '../store/settings.js'
import type { Accounts } from './accounts.js'
import { createUser } from './add-user.js'

/** How long a setup link works, in seconds. */
export const setupLinkSeconds = 60 * 60

/** What somebody says of themselves who becomes the first owner. */
export interface FirstOwnerWanted {
  readonly username: string
  readonly password: string
  /** Where mail goes, as it was typed; left out where they give none. */
  readonly email?: string
}

export type FirstOwnerOutcome =
  | { readonly outcome: 'made'; readonly user: User }
  /** The link does not work, or there is an owner by now. */
  | { readonly outcome: 'over' }
  /** The link works still. The sentence is for the person who typed it. */
  | { readonly outcome: 'refused'; readonly field: 'username' | 'email' | 'password'; readonly sentence: string }

interface Parts {
  readonly store: Store
  readonly accounts: Accounts
  readonly directory: UserDirectory
  readonly settings: Pick<RuntimeSettings, 'shortestPassword'>
  readonly audit: Audit
  readonly now: () => number
}

/** The one link there is. */
interface SetupLink {
  /** SHA-256 of its token in base64url. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** Somebody is using it. */
  readonly isWon?: true
}

/**
 * The way in to an installation that nobody owns: a link that whoever runs the machine is shown, and that makes one owner.
 * Whoever has it becomes the owner of everything, so it is 256 bits, in no log, kept as a hash, for an hour, won once over all
 * gateways, replaced by the next one, and worth nothing from the moment there is an owner.
 */
export class FirstOwner {
  readonly #records: Records<SetupLink>
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#records = new Records(parts.store, KEY)
    this.#parts = parts
  }

  /** Whether somebody could be made one here: the users of some directories are added where they come from. */
  get isPossible(): boolean {
    return this.#parts.directory.writable !== undefined
  }

  /** Characters that the password of an owner has at least. */
  get shortestPassword(): number {
    return this.#parts.settings.shortestPassword({ role: 'owner' })
  }

  async isMissing(): Promise<boolean> {
    return (await this.#parts.accounts.owners.list()).length === 0
  }

  /** A new link; the one before is over. @returns the path under the prefix, which is a secret */
  async issue(): Promise<{ readonly path: string; readonly expiresAt: number }> {
    const token = drawToken()
    const expiresAt = this.#parts.now() + setupLinkSeconds * 1000
    await this.#records.set('', { id: hashOf(token), expiresAt }, setupLinkSeconds)
    return { path: `/setup?token=${token}`, expiresAt }
  }

  /** Whether the link of this token would work now. Changes nothing. */
  async isOpen(token: string): Promise<boolean> {
    return (await this.#find(token)) !== undefined
  }

  /** @throws `password.busy` and `store.unavailable`; the link works still, then */
  async make(token: string, wanted: FirstOwnerWanted, client: ClientFacts): Promise<FirstOwnerOutcome> {
    const link = await this.#find(token)
    if (link === undefined) return { outcome: 'over' }
    const email = wanted.email === undefined ? undefined : mailAddress(wanted.email)
    if (wanted.email !== undefined && email === undefined) return noAddress
    const fault = passwordFault(wanted.password, wanted.username, this.shortestPassword)
    if (fault !== undefined) return { outcome: 'refused', field: 'password', sentence: fault.sentence }
    const secondsLeft = Math.max(1, Math.ceil((link.expiresAt - this.#parts.now()) / 1000))
    const won: SetupLink = { ...link, isWon: true }
    if (!(await this.#records.replace('', link, won, secondsLeft))) return { outcome: 'over' }
    let user: User | undefined
    try {
      user = await this.#create({ ...wanted, email }, client)
      if (user === undefined) return taken
      return { outcome: 'made', user }
    } catch (fault) {
      if (fault instanceof RangeError) return { outcome: 'refused', field: 'username', sentence: `${fault.message}.` }
      throw fault
    } finally {
      // Where nobody became the owner it is as good as it was, unless a newer one has taken its place.
      if (user === undefined) await this.#records.replace('', won, link, secondsLeft)
      else await this.#records.delete('')
    }
  }

  async #create(
    { username, password, email }: Pick<FirstOwnerWanted, 'username' | 'password'> & { email: string | undefined },
    client: ClientFacts,
  ): Promise<User | undefined> {
    const person = { username, groups: [], ...(email === undefined ? {} : { email }) }
    const made = await this.#parts.audit.around(
      { event: 'admin.user-added', username, client, by: 'setup-link', details: { role: 'owner' } },
      () => createUser(this.#parts, person, { role: 'owner', credential: password }),
      (done) => (done === undefined ? { outcome: 'refused', reason: 'name-taken' } : {}),
    )
    return made?.user
  }

  async #find(token: string): Promise<SetupLink | undefined> {
    if (!isToken(token) || !this.isPossible) return undefined
    const link = await this.#records.get('')
    if (link === undefined || link.isWon || this.#parts.now() >= link.expiresAt) return undefined
    return isSame(link.id, hashOf(token)) && (await this.isMissing()) ? link : undefined
  }
}

const KEY = 'setup-link'

const noAddress: FirstOwnerOutcome = {
  outcome: 'refused',
  field: 'email',
  sentence: 'This is not one mail address, as in ada@example.com. Enter one, or none.',
}

const taken: FirstOwnerOutcome = {
  outcome: 'refused',
  field: 'username',
  sentence: 'There is a user with this name already. Choose another one.',
}
