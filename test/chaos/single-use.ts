import type { Agent } from 'undici'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import type { RunningGateway } from '../support/gateway.js'
import type { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import type { Scope } from '../support/scope.js'
import { formOf, Visitor } from '../support/visitor.js'
import type { ChaosCounts } from './counts.js'
import { form, type Reply, send } from './sending.js'

const isIn = (reply: Reply | undefined) => reply !== undefined && /(?:^|; )gatelodge=[^;]+/.test(reply.cookies)

/** A login link, opened by six browsers over both gateways in the same moment. */
export async function raceLink(
  person: { readonly name: string },
  gateways: readonly RunningGateway[],
  agent: Agent,
  mail: MailServer,
  counts: ChaosCounts,
): Promise<void> {
  const before = mail.arrived.length
  const sent = await gateways[0]?.run(['user', 'login-link', person.name])
  if (sent?.code !== 0) return
  const isTheirs = ({ envelope }: { envelope: { to: readonly string[] } }) =>
    envelope.to.includes(`${person.name}@example.com`)
  const arrived = await until('the mail', () => mail.arrived.slice(before).find(isTheirs), 5000).catch(() => undefined)
  const path = /\/\.gatelodge\/link\S*/.exec(arrived?.email.text ?? '')?.[0]
  if (path === undefined) return
  counts.linksRaced += 1
  const opened = await Promise.all(
    [0, 1, 0, 1, 0, 1].map(async (which, index) => {
      const headers = { accept: 'text/html', 'x-forwarded-for': `10.2.0.${index}` }
      const page = await send(agent, gateways[which], 'GET', path, headers)
      if (page?.status !== 200) return false
      const { action = '', fields } = formOf(page.text)
      const body = new URLSearchParams(fields).toString()
      const answer = await send(
        agent,
        gateways[which],
        'POST',
        action,
        { ...headers, ...form, cookie: page.cookies },
        body,
      )
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
export async function raceCode(
  coder: Coder,
  gateways: readonly RunningGateway[],
  agent: Agent,
  counts: ChaosCounts,
): Promise<void> {
  const step = Math.floor(Date.now() / 30_000)
  if (coder.races >= 4 || coder.step >= step) return
  const asked = await Promise.all(
    gateways.map((gateway, index) => passwordOf(coder, gateway, agent, `10.3.0.${index}`)),
  )
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
async function passwordOf(coder: Coder, gateway: RunningGateway, agent: Agent, address: string) {
  const headers = { accept: 'text/html', 'x-forwarded-for': address }
  const page = await send(agent, gateway, 'GET', '/.gatelodge/sign-in', headers)
  if (page?.status !== 200) return undefined
  const { name: username, password } = coder
  const body = new URLSearchParams({ ...formOf(page.text).fields, username, password }).toString()
  const led = await send(
    agent,
    gateway,
    'POST',
    '/.gatelodge/sign-in',
    { ...headers, ...form, cookie: page.cookies },
    body,
  )
  if (led?.status !== 303) return undefined
  const cookie = led.cookies
  const question = await send(agent, gateway, 'GET', '/.gatelodge/verify', { ...headers, cookie })
  if (question?.status !== 200) return undefined
  const { action = '', fields } = formOf(question.text, '/verify')
  return (code: string) => {
    const answer = new URLSearchParams({ ...fields, code }).toString()
    return send(agent, gateway, 'POST', action, { ...headers, ...form, cookie }, answer)
  }
}
