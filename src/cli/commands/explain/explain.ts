import { parseAddress } from '../../../access/client-address.js'
import type { AccountFacts, DecideInput, Decision, SessionFacts } from '../../../access/decide.js'
import { explanationLines } from '../../../access/explain.js'
import type { Json, User } from '../../../contracts.js'
import { done, failed, wrongUse } from '../../../exit-codes.js'
import type { Account } from '../../../identity/accounts/account.js'
import type { AppTokens, ListedToken } from '../../../identity/api-clients/app-tokens.js'
import type { RuntimeSettings } from '../../../identity/store/settings.js'
import { complain, moment, say, type Terminal, type WithOperations } from '../../terminal.js'
import { type ExplainDeniedParts, explainDenied } from './denied-request.js'
import { type Explaining, explainWithTokens, tokenLine } from './token.js'

/** As given on the command line. */
export interface ExplainOptions {
  readonly user?: string
  readonly from?: string
  readonly proof?: string
  readonly token?: string
  readonly age?: string
  readonly at?: string
  readonly request?: string
  readonly log?: string
  readonly json?: boolean
}

/** The rooms the command works on. */
export interface ExplainRooms extends WithOperations, ExplainDeniedParts {
  readonly explainer: Explaining
  readonly tokens: Pick<AppTokens, 'list'>
  readonly settings: Pick<RuntimeSettings, 'describe'>
  /** For targets without a host. */
  readonly publicUrl: string
  readonly now: () => number
}

const proofs = ['none', 'password', 'second-factor', 'passkey', 'device', 'token'] as const
type Proof = (typeof proofs)[number]

/** `explain METHOD URL`: what would become of a request, by which row and rule, and what is missing. */
export async function explainRequest(
  services: ExplainRooms,
  terminal: Terminal,
  method: string | undefined,
  url: string | undefined,
  options: ExplainOptions = {},
): Promise<number> {
  const wrong = (sentence: string) => complain(terminal, wrongUse, sentence)
  if (options.request !== undefined) {
    if (method !== undefined) return wrong('Give a request to imagine, or --request and its number: not both.')
    return explainDenied(services, terminal, options.request, options)
  }
  if (method === undefined || url === undefined) {
    return wrong('Say which request: gatelodge explain GET https://crm.example.com/admin --user ann --from 203.0.113.9')
  }
  if (!/^[A-Z][A-Z-]{0,30}$/.test(method)) return wrong('The method is a word in capitals, as in GET or POST.')
  const place = placeOf(url, services.publicUrl)
  if (place === undefined)
    return wrong('The address is a URL or a path, as in https://crm.example.com/admin or /admin.')
  const address = options.from === undefined ? undefined : parseAddress(options.from)
  if (options.from !== undefined && address === undefined) {
    return wrong(`"${options.from}" is no address: --from takes one as in 203.0.113.9 or 2001:db8::1.`)
  }
  const at = options.at === undefined ? services.now() : Date.parse(options.at)
  if (Number.isNaN(at)) return wrong(`"${options.at}" is no time: --at takes one as in 2026-03-01T08:00:00Z.`)
  const age = ageOf(options.age ?? '0s')
  if (age === undefined) return wrong('--age takes a number and a unit, as in 10m.')
  const proof = proofs.find((one) => one === (options.proof ?? (options.token === undefined ? 'password' : 'token')))
  if (proof === undefined) return wrong(`There is no proof "${options.proof}": it is one of ${proofs.join(', ')}.`)
  if (options.token !== undefined && proof !== 'token') return wrong('--token is itself the proof: leave out --proof.')
  if (options.proof !== undefined && options.user === undefined && options.token === undefined) {
    return wrong('--proof is for somebody: say --user.')
  }
  const named =
    options.token === undefined ? undefined : (await services.tokens.list()).find((one) => one.id === options.token)
  if (options.token !== undefined && named === undefined) {
    return complain(terminal, failed, `There is no token with the id "${options.token}".`)
  }
  const whose = options.user ?? named?.accountId
  const found = whose === undefined ? undefined : await services.desk.find(whose)
  if (whose !== undefined && found === undefined) return complain(terminal, failed, `There is no user "${whose}".`)
  if (named !== undefined && named.accountId !== found?.user.id) {
    return complain(terminal, failed, `The token ${named.id} is not one of ${options.user}.`)
  }
  const account = found && (found.account ?? unopened(found.user, at))
  const session = sessionOf(proof, at - age, at)
  const who = found && account && { user: found.user, account, ...(session === undefined ? {} : { session }) }
  const request = { method, ...place, address: address?.text, at }
  const tokens = await tokensOf(services, proof, named, who?.user.id)
  const asWhom = { ...request, ...(who === undefined ? {} : { who }) }
  const { explained, looks } = await explainWithTokens(services.explainer, asWhom, tokens)

  const by = who === undefined ? 'by nobody who is signed in' : `by ${who.user.username}, ${proofWords[proof]}`
  const from = address === undefined ? 'from an address nobody could read (say --from)' : `from ${address.text}`
  const asked = `${method} ${place.host}${place.target} ${by}, ${from}, at ${moment(at)}`
  if (explained.kind === 'refused') {
    const { error, status, sentence } = explained
    const outcome = { outcome: 'refused', code: error, status, reason: sentence }
    if (options.json) say(terminal, JSON.stringify({ request: { ...request, by: who?.user.username }, ...outcome }))
    const words = `${asked}\nrefused before any rule is asked: ${status} ${error}: ${sentence}`
    return options.json ? failed : complain(terminal, failed, words)
  }
  if (explained.kind === 'own') {
    const reason = 'a page of the gateway itself, which no rule is asked about'
    say(terminal, options.json ? JSON.stringify({ request, outcome: 'own-page', reason }) : `${asked}\n${reason}`)
    return done
  }
  const { site, explanation, input, way } = explained
  const facts = factsOf(input, account, services.settings)
  if (options.json) {
    const { decision, missing, finally: last } = explanation
    const answer = {
      request: { ...request, from: address?.text, at: moment(at), user: who?.user.username, proof: who && proof },
      ...asJson(decision, services.file),
      site: { ...site, file: services.file },
      missing: missing.map((one) => ({ what: one.what, outcome: one.decision.outcome, row: one.decision.row })),
      ...(last === undefined ? {} : { finally: asJson(last, services.file) }),
      ...(proof === 'token' ? { tokens: looks } : {}),
      ...(way.length > 0 ? { way } : {}),
      facts,
    }
    say(terminal, JSON.stringify(answer, undefined, 2))
    return done
  }
  say(terminal, asked)
  for (const line of explanationLines(explanation, (at) => `${services.file}:${at}`)) say(terminal, line)
  if (proof === 'token') {
    const isRead = input.rule.clients === 'api'
    if (!isRead) say(terminal, 'missing: a rule with clients: api, for tokens are read on no other')
    if (looks.length === 0) say(terminal, `token: ${who?.user.username} has none, so one without limits is assumed`)
    for (const look of looks) say(terminal, tokenLine(look))
  }
  if (!site.enforced && explanation.decision.outcome !== 'allow') {
    say(terminal, 'NOT ENFORCED: the site is only observed, so the request passes all the same, in nobody’s name')
  }
  say(terminal, `site: ${site.host}${site.path} (${services.file}:${site.line})`)
  for (const step of way) say(terminal, `way: ${step}`)
  for (const [name, value] of Object.entries(facts)) say(terminal, `${name}: ${wordsOf(value)}`)
  return done
}

/** The token that was named, or all of the user's that open something. */
async function tokensOf(
  { tokens }: ExplainRooms,
  proof: Proof,
  named: ListedToken | undefined,
  accountId: string | undefined,
): Promise<readonly ListedToken[]> {
  if (proof !== 'token' || accountId === undefined) return []
  return named === undefined ? (await tokens.list(accountId)).filter(({ status }) => status === 'active') : [named]
}

/** Host and request target of a URL, or of a path on the public address. Nothing of it is made nicer than it was written. */
function placeOf(url: string, publicUrl: string): { readonly host: string; readonly target: string } | undefined {
  // Browsers keep what follows `#` to themselves.
  const [written = ''] = url.split('#', 1)
  if (written.startsWith('/')) return { host: new URL(publicUrl).host, target: written }
  const [, host, rest = ''] = /^https?:\/\/([^/?@\\\s]+)(.*)$/is.exec(written) ?? []
  if (host === undefined) return undefined
  return { host, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Milliseconds. */
function ageOf(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? '']
  return seconds === undefined ? undefined : Number(number) * seconds * 1000
}

function sessionOf(proof: Proof, provenAt: number, now: number): SessionFacts | undefined {
  switch (proof) {
    case 'none':
      return undefined
    case 'password':
      return { passwordAt: provenAt }
    case 'second-factor':
      return { passwordAt: provenAt, secondFactorAt: provenAt }
    case 'passkey':
      return { passwordAt: provenAt, secondFactorAt: provenAt, passkeyAt: provenAt }
    case 'device':
      // The browser was remembered then; the password was given now.
      return { passwordAt: now, deviceAt: provenAt }
    case 'token':
      return { token: true }
  }
}

const proofWords: Readonly<Record<Proof, string>> = {
  none: 'who has not signed in',
  password: 'with the password',
  'second-factor': 'with the password and a second factor',
  passkey: 'with a passkey that asked who holds it',
  device: 'with the password on a remembered device',
  token: 'with an application token',
}

/** As it will be at the first sign-in: asking about somebody makes no account. */
function unopened({ id, username }: User, now: number): Account {
  return { id, username, status: 'active', role: 'user', generation: 1, required: false, enrolled: [], createdAt: now }
}

function asJson({ outcome, row, reason, because, needs, rule, line, ...more }: Decision, file: string) {
  const { also, ...applied } = rule
  return {
    outcome,
    row,
    reason,
    because,
    needs,
    rule: { ...applied, ...(rule.line === undefined ? {} : { file }) },
    ...(line === undefined ? {} : { file, line }),
    ...more,
    ...(also === undefined ? {} : { otherReadings: also.map(({ path, access }) => ({ path, access })) }),
  }
}

/** What was known, in the words of the table. */
function factsOf(
  { account: facts, network, secondFactor, rule }: DecideInput,
  account: Account | undefined,
  settings: ExplainRooms['settings'],
): Record<string, { [key: string]: Json }> {
  const origin = new Map(settings.describe().map((view) => [view.key, view.origin]))
  const from = (key: 'secondFactor.required' | 'secondFactor.unenrolled' | 'networks') => origin.get(key) ?? 'yaml'
  const own = account === undefined ? {} : { account: accountFact(account, facts) }
  const said = network === undefined ? { says: 'nothing' } : plain({ ...network, from: from('networks') })
  return {
    ...own,
    network: said,
    settings: plain({
      required: secondFactor.required,
      requiredFrom: from('secondFactor.required'),
      unenrolled: secondFactor.unenrolled,
      unenrolledFrom: from('secondFactor.unenrolled'),
    }),
    ...(rule.groups === undefined ? {} : { groups: plain({ wanted: rule.groups }) }),
  }
}

function accountFact(account: Account, facts: AccountFacts | undefined): { [key: string]: Json } {
  return plain({
    username: account.username,
    role: account.role,
    status: account.status,
    groups: facts?.groups,
    required: account.required,
    enrolled: account.enrolled.map(({ method }) => method),
    // Whether it fits this site, address and time.
    exempt: facts?.exempt,
    grace: facts?.grace,
    addresses: account.addresses,
  })
}

/** Without what is `undefined`. */
function plain(value: object): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(value))
}

function wordsOf(value: { readonly [key: string]: Json }): string {
  return Object.entries(value)
    .map(([key, one]) => `${key} ${Array.isArray(one) ? one.join('+') || 'none' : String(one)}`)
    .join(', ')
}
