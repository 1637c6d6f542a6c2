import {
  definePlugin,
  foldUsername,
  type Host,
  type User,
  type UserDirectory,
  type UserQuery,
} from '../../src/contracts.js'
import { warnOfPlainHttp } from '../../src/plugin-kit.js'
import { CallOut } from './http/call-out.js'
import { Exchange } from './http/exchange.js'
import { LoginForm } from './http/form.js'
import { KnownUsers } from './http/known-users.js'
import { type HttpSettings, settings } from './http/settings.js'

/**
 * Users of an application: asks a service of the operator's whether a password is right, or fills in the application's own
 * login form. Where the other side can be asked for nothing else, a user is known here from the first right password on.
 */
export default definePlugin({
  kind: 'user-directories',
  options: settings,
  create: (options, host): HttpDirectory => new HttpDirectory(options, host),
})

class HttpDirectory implements UserDirectory {
  readonly #exchange: Exchange
  readonly #judge: CallOut | LoginForm
  readonly #lookUp: CallOut | undefined
  readonly #known: KnownUsers
  readonly learns?: true

  constructor(options: HttpSettings, host: Host) {
    const { url, form, findUrl, email } = options
    this.#exchange = new Exchange(options)
    this.#known = new KnownUsers(host.store)
    const callOut = new CallOut(options, this.#exchange, () => host.now())
    this.#judge = form === undefined ? callOut : new LoginForm(form, email, this.#exchange)
    this.#lookUp = findUrl === undefined ? undefined : callOut
    if (findUrl === undefined) this.learns = true
    for (const text of new Set([url, findUrl, form?.url])) {
      if (text !== undefined) warnOfPlainHttp(text, host.log, 'Passwords travel unencrypted to this host')
    }
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    if (!isName(username) || password === '' || password.length > LONGEST_PASSWORD) return undefined
    // In the spelling they first came with: to an application that tells Ada from ada, the two would be one account here.
    const [known] = this.#lookUp === undefined ? await this.#known.find({ username }) : []
    const user = await this.#judge.judge(known?.username ?? username.normalize('NFKC'), password)
    if (user === undefined || !isName(user.username)) return undefined
    if (this.#lookUp === undefined) await this.#known.keep(user)
    return user
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    const [asked = ''] = Object.values(by)
    if ('username' in by ? !isName(asked) : asked === '' || asked.length > 254 || /\p{C}/u.test(asked)) return []
    if (this.#lookUp === undefined) return this.#known.find(by)
    const found = await this.#lookUp.find(by)
    if (!('email' in by) && found.length > 1) throw new Error('The call-out answered with two users of one name')
    return found.filter(({ username }) => isName(username))
  }

  close(): Promise<void> {
    return this.#exchange.close()
  }
}

const LONGEST_PASSWORD = 512

/** 1 to 64 characters one can see. */
function isName(username: string): boolean {
  if (username.length > 256) return false
  const text = username.normalize('NFKC')
  return [...text].length <= 64 && /^[^\s\p{C}:](?:[^\p{C}\t:]*[^\s\p{C}:])?$/u.test(text) && foldUsername(text) !== ''
}
