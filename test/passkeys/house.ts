import type { Test } from 'tap'
import passkey from '../../plugins/second-factors/passkey.js'
import totp from '../../plugins/second-factors/totp.js'
import type { MailTransport, SecondFactor } from '../../src/contracts.js'
import { type Lodge, type LodgeSettings, lodge, prefix } from '../http/pages/lodge.js'
import type { SoftAuthenticator } from '../support/authenticator.js'
import { PASSWORD } from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'
import { type Answer, formOf, type Visitor } from '../support/visitor.js'

/** What the browser would say it is at; the pages listen elsewhere, and no browser is in between. */
export const ORIGIN = 'http://localhost:8080'

export const at = (path: string) => `${prefix}${path}`

/** The hosted pages with passkeys, and an authenticator app for comparison. */
export async function passkeyLodge(
  t: Test,
  { options = {}, ...settings }: LodgeSettings & { readonly options?: object } = {},
): Promise<Lodge> {
  const host = lentHost({ origins: [ORIGIN] })
  const factors = new Map<string, SecondFactor>([
    ['passkey', await build(passkey, { signIn: true, ...options }, host)],
    ['totp', await build(totp, {}, host)],
  ])
  return lodge(t, { factors, ...settings })
}

/** The question of a page, as its script reads it. */
export function questionOf(page: string): unknown {
  const text = /data-question="([^"]*)"/.exec(page)?.[1]
  if (text === undefined) throw new Error(`the page asks nothing: ${/<h1>([^<]*)/.exec(page)?.[1]}`)
  return JSON.parse(text.replaceAll('&quot;', '"').replaceAll('&amp;', '&'))
}

/** Signs in by the password. */
export function bePassword(visitor: Visitor, username: string, returnTo = '/reports'): Promise<Answer> {
  return visitor.fillIn(
    at(`/sign-in?${new URLSearchParams({ return: returnTo })}`),
    { username, password: PASSWORD, keep: 'yes' },
    '/sign-in',
  )
}

/** Sets a passkey up on the way to a page that asks for a second step. */
export async function setUp(visitor: Visitor, username: string, device: SoftAuthenticator, name = ''): Promise<Answer> {
  await bePassword(visitor, username, '/secret/plans')
  const page = await visitor.get(at('/enrol/passkey?return=%2Fsecret%2Fplans'))
  const answer = device.create(questionOf(page.text))
  return visitor.post(at('/enrol/passkey'), { ...formOf(page.text, '/enrol/passkey').fields, name, answer })
}

/** Sets another one up, in a session that has both proofs. */
export async function setUpAnother(visitor: Visitor, device: SoftAuthenticator, name = ''): Promise<Answer> {
  const start = await visitor.get(at('/account/methods/add/passkey'))
  const page = await visitor.get(start.location ?? '')
  const answer = device.create(questionOf(page.text))
  return visitor.post(at('/enrol/passkey'), { ...formOf(page.text, '/enrol/passkey').fields, name, answer })
}

/** The page that asks for the second step. */
export async function secondStep(visitor: Visitor, username: string): Promise<Answer> {
  const start = await bePassword(visitor, username)
  return visitor.get(start.location ?? '')
}

export function answerTo(visitor: Visitor, page: Answer, answer: string): Promise<Answer> {
  return visitor.post(at('/verify'), { ...formOf(page.text, '/verify').fields, answer })
}

/** Keeps mails. */
export function keptMails(): MailTransport & { readonly sent: { to: string; subject: string; text: string }[] } {
  const sent: { to: string; subject: string; text: string }[] = []
  return {
    sent,
    send: async (mail) => {
      sent.push(mail)
    },
  }
}
