import type { User } from '../../src/contracts.js'
import { codeAt } from './authenticator-app.js'
import { housePassword, type OpenHouse, signIn } from './house.js'
import { type Answer, formOf, type Visitor } from './visitor.js'

/** A clock of the test's own, which shows the real time and may be set ahead. */
export class AheadClock {
  #aheadMs = 0
  readonly now = () => Date.now() + this.#aheadMs

  pass(ms: number): void {
    this.#aheadMs += ms
  }
}

/** Somebody in front of a browser, with an authenticator app in the hand. */
export interface Seated {
  readonly visitor: Visitor
  /** The next code; the clock goes on until the one before has passed. */
  code(): string
}

/** Takes an authenticator app over for a user who has none. @returns its key */
export async function enrolApp({ core }: OpenHouse, username: string): Promise<string> {
  const { signIn } = core.identity
  const client = { address: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: 'enrol' }
  const facts = { username, password: housePassword, client, returnTo: '/' }
  const begun = await signIn.password({ ...facts, policy: () => 'enrol' })
  if (begun.outcome !== 'enrol') throw new Error(`the sign-in of ${username} ended with ${begun.outcome}`)
  const shown = await signIn.beginEnrolment(begun.pendingToken, 'totp')
  if (shown === undefined) throw new Error('there is nothing to enrol')
  const { key } = shown.show as { key: string }
  const done = await signIn.confirmEnrolment(begun.pendingToken, codeAt(key, core.now()), client)
  if (done.outcome !== 'session') throw new Error(`the enrolment of ${username} ended with ${done.outcome}`)
  const [user] = (await core.directory.find({ username })) as [User]
  const account = await core.identity.accounts.find(user.id)
  // As on the page after it, which shows them.
  if (account !== undefined) await core.identity.backupCodes.make(account, user, client, 'first')
  await core.identity.sessions.end(done.token)
  return key
}

/** Signs somebody in with both factors; sets an app up for who has none. */
export async function seat(core: OpenHouse, username: string, clock: AheadClock): Promise<Seated> {
  const key = await enrolApp(core, username)
  const visitor = core.visitor()
  const code = () => {
    clock.pass(30_000)
    return codeAt(key, clock.now())
  }
  const asked = await signIn(visitor, username)
  const seated = { visitor, code }
  const opened = await prove(seated, asked)
  if (!visitor.cookies.has('gatelodge')) throw new Error(`the sign-in led to ${opened.status} ${opened.location}`)
  return seated
}

/** Goes through the proofs an answer leads to, password and code. @returns the answer after the last of them */
export async function prove({ visitor, code }: Seated, answer: Answer): Promise<Answer> {
  let at = answer
  for (let hop = 0; hop < 6; hop += 1) {
    const { location = '' } = at
    if (at.status !== 303) return at
    if (location.startsWith('/.gatelodge/account/prove')) {
      at = await visitor.fillIn(location, { password: housePassword }, '/account/prove')
    } else if (location.startsWith('/.gatelodge/verify')) {
      const page = await visitor.get(location)
      const form = formOf(page.text, '/verify')
      // Nothing to prove any more: it leads on.
      at = form.action === undefined ? page : await visitor.post(form.action, { ...form.fields, code: code() })
    } else if (location.startsWith('/.gatelodge/account/confirm/')) at = await visitor.get(location)
    else return at
  }
  throw new Error(`the proofs do not end: ${at.location}`)
}
