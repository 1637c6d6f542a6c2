import type { UserDirectory } from '../../contracts.js'

/** What people type for their username: that, or their mail address where the operator lets it. */
export class TypedNames {
  readonly #directory: Pick<UserDirectory, 'find'>
  readonly #byEmail: boolean

  constructor({
    directory,
    byEmail = false,
  }: { directory: Pick<UserDirectory, 'find'>; byEmail?: boolean | undefined }) {
    this.#directory = directory
    this.#byEmail = byEmail
  }

  /**
   * The username that is meant: budgets count by it, or a mail address would be a second budget of guesses for the same
   * password. A username that looks like an address comes before an address: nobody takes it over by changing their own.
   * @returns what was typed, where it is a username, or the address of nobody or of several
   */
  async resolve(typed: string): Promise<string> {
    if (!this.#byEmail || !ADDRESS.test(typed)) return typed
    // Both are asked for whatever the first one says: how long it takes tells nothing.
    const [[named], mailed] = await Promise.all([
      this.#directory.find({ username: typed }),
      this.#directory.find({ email: typed }),
    ])
    const [only, ...others] = mailed
    return named !== undefined || only === undefined || others.length > 0 ? typed : only.username
  }
}

/** As long as a mail address may be (RFC 5321, 4.5.3.1.3). */
const ADDRESS = /^[^@\s]{1,64}@[^@\s]{1,189}$/
