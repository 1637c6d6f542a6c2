import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import type { RunningGateway } from '../support/gateway.js'
import type { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import type { Scope } from '../support/scope.js'
import { formOf, Visitor } from '../support/visitor.js'
import type { Desk } from './changes.js'
import type { ChaosCounts } from './counts.js'
import { type Door, form, type Reply } from './door.js'

const isIn = (reply: Reply | undefined) => reply !== undefined && /(?:^|; )gatelodge=[^;]+/.test(reply.cookies)

/** A login link, opened by six browsers over both gateways in the same moment. */
export async function raceLink(
  { name }: { readonly name: string },
  doors: readonly [Door, Door],
  desk: Pick<Desk, 'sendLoginLink'>,
  mail: MailServer,
  counts: ChaosCounts,
): Promise<void> {
  const before = mail.arrived.length
  if (!(await desk.sendLoginLink(name))) return
  const isTheirs = ({ envelope }: { envelope: { to: readonly string[] } }) =>
    envelope.to.includes(`${name}@example.com`)
  const arrived = await until('the mail', () => mail.arrived.slice(before).find(isTheirs), 5000).catch(() => undefined)
  const path = /\/\.gatelodge\/link\S*/.exec(arrived?.email.text ?? '')?.[0]
  if (path === undefined) return
  counts.linksRaced += 1
  const opened = await Promise.all(
    [...doors, ...doors, ...doors].map(async (door, index) => {
      const headers = { accept: 'text/html', 'x-forwarded-for': `10.2.0.${index}` }
      const page = await door.send('GET', path, headers)
      if (page?.status !== 200) return false
      const { action = '', fields } = formOf(page.text)
      const body = new URLSearchParams(fields).toString()
      const answer = await door.send('POST', action, { ...headers, ...form, cookie: page.cookies }, body)
      return isIn(answer)
    }),
  )
  const times = opened.filter((one) => one).length
  counts.linksOpened += times
  if (times > 1) counts.linksOpenedTwice += 1
}

/** Somebody with an authenticator app. */
export interface Coder {
  readonly name: string
  readonly password: string
  readonly key: string
  /** The step of 30 s whose code was tried last. */
  step: number
  /** Each costs a failure, and five of them in a quarter of an hour are one too many. */
  races: number
}

/** Sets an app up, while nothing is killed yet. */
export async function coderOf(
  scope: Scope,
  gateway: RunningGateway,
  { name, password }: { readonly name: string; readonly password: string },
): Promise<Coder> {
  await untilTwoCodesAreGood()
  const browser = new Visitor(scope, gateway.url)
  const signedIn = await browser.fillIn('/.gatelodge/sign-in', { username: name, password }, '/sign-in')
  if (signedIn.status !== 303) throw new Error(`${name}: ${signedIn.status}`)
  const page = await browser.get('/.gatelodge/enrol/totp?return=/')
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const { action = '', fields } = formOf(page.text, '/enrol/totp')
  const set = await browser.post(action, { ...fields, code: codeAt(key, Date.now() - 30_000) })
  if (set.status !== 303) throw new Error(`${name}: ${set.status} ${set.text}`)
  return { name, password, key, step: 0, races: 0 }
}

/** One code of an app, answered by a browser at each gateway in the same moment. */
export async function raceCode(coder: Coder, doors: readonly [Door, Door], counts: ChaosCounts): Promise<void> {
  const step = Math.floor(Date.now() / 30_000)
  if (coder.races >= 4 || coder.step >= step) return
  const asked = await Promise.all(doors.map((door, index) => passwordOf(coder, door, `10.3.0.${index}`)))
  if (asked.some((each) => each === undefined)) return
  coder.step = step
  coder.races += 1
  counts.codesRaced += 1
  const code = codeAt(coder.key, step * 30_000)
  const answers = await Promise.all(asked.map((each) => each?.(code)))
  const times = answers.filter(isIn).length
  counts.codesWorked += times
  if (times > 1) counts.codesWorkedTwice += 1
}

/** The password, and what answers the question for a code after it; `undefined` where the question did not come. */
async function passwordOf(coder: Coder, door: Door, address: string) {
  const headers = { accept: 'text/html', 'x-forwarded-for': address }
  const page = await door.send('GET', '/.gatelodge/sign-in', headers)
  if (page?.status !== 200) return undefined
  const { name: username, password } = coder
  const body = new URLSearchParams({ ...formOf(page.text).fields, username, password }).toString()
  const led = await door.send('POST', '/.gatelodge/sign-in', { ...headers, ...form, cookie: page.cookies }, body)
  if (led?.status !== 303) return undefined
  const cookie = led.cookies
  const question = await door.send('GET', '/.gatelodge/verify', { ...headers, cookie })
  if (question?.status !== 200) return undefined
  const { action = '', fields } = formOf(question.text, '/verify')
  return (code: string) => {
    const answer = new URLSearchParams({ ...fields, code }).toString()
    return door.send('POST', action, { ...headers, ...form, cookie }, answer)
  }
}
