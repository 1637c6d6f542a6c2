import type { Test } from 'tap'
import { codeAt } from '../support/authenticator-app.js'
import { type Application, application } from '../support/front-door.js'
import { housePassword, type OpenHouse, startHouse } from '../support/house.js'
import { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'

/** A portal of its own, and two sites under unrelated domains. */
export interface Lodges extends OpenHouse {
  readonly app: Application
  browser(): Roamer
}

export const portal = 'http://login.localhost'
export const crm = 'http://crm.localhost'
export const wiki = 'http://wiki.other.test'

export interface LodgesInput {
  /** Lines of YAML beside the usual ones. */
  readonly more?: string
  /** Rules of both sites. */
  readonly rules?: string
  /** In place of the two sites. */
  readonly sites?: (upstream: string) => string
  readonly now?: () => number
  readonly directory?: string
}

export async function lodges(t: Test, { more = '', rules = '[]', sites, now, directory }: LodgesInput = {}) {
  const app = await application(t)
  const usual = `
  - { host: crm.localhost, name: Customers, upstream: "${app.url}", rules: ${rules} }
  - { host: wiki.other.test, upstream: "${app.url}", rules: ${rules} }`
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: ${portal}
sites:${sites?.(app.url) ?? usual}
${more}
`,
    ...(now === undefined ? {} : { now }),
    ...(directory === undefined ? {} : { directory }),
  })
  return { ...core, app, browser: () => new Roamer(t, core.port) } satisfies Lodges
}

/** Opens an address as a stranger, and signs in where that leads. @returns the answer to the form */
export async function signInAt(browser: Roamer, address: string, username = 'ana', password = housePassword) {
  const { answer, way } = await browser.follow(address)
  const page = way.at(-1) ?? ''
  const { action = '', fields } = formOf(answer.text, '/sign-in')
  const sent = await browser.post(new URL(action, page).href, { ...fields, username, password })
  return { answer: sent, page, next: new URL(sent.headers['location']?.toString() ?? '', page).href }
}

/** The way of somebody who gets everywhere with a password alone. @returns where it ended */
export async function arriveAt(browser: Roamer, address: string, username = 'ana') {
  const { next } = await signInAt(browser, address, username)
  return browser.follow(next)
}

/** Somebody with an authenticator app. @returns its codes */
export async function addWithApp(core: Pick<OpenHouse, 'core' | 'addUser'>, username: string) {
  const { accounts, enrolments } = core.core.identity
  const account = await accounts.find(await core.addUser(username))
  if (account === undefined) throw new Error('there is no account')
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  await enrolments.activate(account, { method: 'totp', name: 'App', enrolment: { secret, lastStep: -1 } })
  return { codeAt: (ms: number) => codeAt(secret, ms) }
}

/** Gives the code that the page at the end of this way asks for. @returns where that led */
export async function proveAt(browser: Roamer, address: string, code: string) {
  const { answer, way } = await browser.follow(address)
  const page = way.at(-1) ?? ''
  const { action = '', fields } = formOf(answer.text, '/verify')
  const sent = await browser.post(new URL(action, page).href, { ...fields, code })
  return browser.follow(new URL(sent.headers['location']?.toString() ?? '', page).href)
}
