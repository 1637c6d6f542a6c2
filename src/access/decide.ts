import { foldUsername } from '../contracts.js'
import { mayComeFrom } from './address-list.js'
import type { Address, AddressRanges } from './client-address.js'
import type { Network, SecondFactorPolicy } from './policy.js'
import type { Rule } from './rule.js'

/** What is known about the account behind a request, as plain facts. */
export interface AccountFacts {
  readonly active: boolean
  readonly role: 'owner' | 'support' | 'user' | 'api'
  readonly groups: readonly string[]
  /** Without one no rule's `users` fit. */
  readonly username?: string | undefined
  /** The owner requires a second factor of this account. */
  readonly required: boolean
  /** Has at least one second factor that can be asked for. */
  readonly enrolled: boolean
  /** The only networks this account may come from. None: any. */
  readonly addresses?: AddressRanges | undefined
  /** The account need give no second factor here and now: site, network and expiry of the exemption looked at already. */
  readonly exempt?: boolean | undefined
  /** Some time is left to set a second factor up in, and the user took it. */
  readonly grace?: boolean | undefined
}

/** How and when the person or program proved who it is. Times in milliseconds since 1970. */
export interface SessionFacts {
  /** The first factor: the password, or what the settings let stand for it. */
  readonly passwordAt?: number | undefined
  readonly secondFactorAt?: number | undefined
  /** The second factor was a code that went by mail, because the text message failed. */
  readonly fellBack?: boolean | undefined
  /** When a passkey was given, as the first factor or the second. */
  readonly passkeyAt?: number | undefined
  /** When the second factor was given that this remembered device stands for. */
  readonly deviceAt?: number | undefined
  /** Came with an app token instead of a session. */
  readonly token?: boolean | undefined
  /** What of the request the scope of the token does not reach. */
  readonly outside?: 'site' | 'method' | 'path' | 'network' | undefined
}

export interface DecideInput {
  readonly rule: Rule
  readonly network: Network | undefined
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** `undefined`: it could not be read. */
  readonly address: Address | undefined
  readonly account?: AccountFacts | undefined
  /** Without one nobody is signed in, whatever the account. */
  readonly session?: SessionFacts | undefined
  readonly secondFactor: SecondFactorPolicy
  /** Milliseconds since 1970. */
  readonly now: number
}

export type Outcome = 'allow' | 'sign-in' | 'second-factor' | 'enrol' | 'reauthenticate' | 'deny'

export interface Decision {
  readonly outcome: Outcome
  /** 1 to 12, as in the table of the documentation. */
  readonly row: number
  /** The rule that was applied: the strictest, where several have a say. */
  readonly rule: Rule
  /** Why this row: "the network requires a second factor". */
  readonly because: string
  /** What came of it: "the second factor is missing". For logs and operators; the user's sentence is in `errors.ts`. */
  readonly reason: string
  /** In the YAML file: of the network or rule that decided. */
  readonly line?: number | undefined
  /** The proof that has to be there: what `reauthenticate` asks for. */
  readonly needs: 'nothing' | 'password' | 'second-factor'
  /** What the proof has to be, where not any will do. */
  readonly proof?: 'passkey'
  /** With `allow`: only because some time is left to set a second factor up in. */
  readonly isGrace?: boolean
  /** With `second-factor`: this user has none, and a recovery code is the only way in. */
  readonly recoveryCodeOnly?: boolean
}

/** What a row of the table asks for. */
export type Need =
  | { readonly kind: 'deny' | 'nothing' | 'password' }
  /**
   * `device`: whether a remembered device stands for it; `fresh`: only one younger than the rule's `reauthenticate`.
   * `fallback`: whether a code counts that went by mail because the text message failed.
   */
  | {
      readonly kind: 'second-factor'
      readonly device: 'yes' | 'fresh' | 'no'
      readonly fallback: boolean
      /** One of the two proofs has to be a passkey. */
      readonly proof?: 'passkey'
    }

/** A line of the table: the first whose `need` answers decides. */
export interface Row {
  readonly number: number
  readonly when: string
  readonly line: 'rule' | 'network' | 'none'
  readonly need: (input: DecideInput) => Need | undefined
}

const deny: Need = { kind: 'deny' }
const nothing: Need = { kind: 'nothing' }
const password: Need = { kind: 'password' }
const secondFactor: Need = { kind: 'second-factor', device: 'yes', fallback: true }
const secondFactorOfItsOwn: Need = { kind: 'second-factor', device: 'yes', fallback: false }
const secondFactorOrFreshDevice: Need = { kind: 'second-factor', device: 'fresh', fallback: false }
const secondFactorItself: Need = { kind: 'second-factor', device: 'no', fallback: false }

const passkey: Need = { kind: 'second-factor', device: 'no', fallback: false, proof: 'passkey' }

/** Who is asked for what. The first line that fits decides; the last always does. */
export const rows: readonly Row[] = [
  {
    number: 1,
    when: 'the network is denied',
    line: 'network',
    need: ({ network }) => when(network?.access === 'deny', deny),
  },
  {
    number: 1,
    when: 'the account is not active, or may not come from this address',
    line: 'none',
    need: (input) => when(isBarred(input), deny),
  },
  { number: 2, when: 'the rule says "deny"', line: 'rule', need: ({ rule }) => when(rule.access === 'deny', deny) },
  {
    number: 3,
    when: 'the rule says "public"',
    line: 'rule',
    need: ({ rule }) => when(rule.access === 'public', nothing),
  },
  {
    number: 4,
    when: 'the rule asks for a passkey',
    line: 'rule',
    need: ({ rule }) => when(rule.proof === 'passkey', passkey),
  },
  {
    number: 4,
    when: 'the rule says "second-factor"',
    line: 'rule',
    need: ({ rule }) => when(rule.access === 'second-factor', secondFactorOrFreshDevice),
  },
  {
    number: 5,
    when: 'a program, and the rule has "clients: api"',
    line: 'rule',
    need: (input) => when(isProgram(input) && input.rule.clients === 'api', password),
  },
  {
    number: 6,
    when: 'the network requires a second factor',
    line: 'network',
    need: ({ network }) => when(network?.secondFactor === 'required', secondFactorItself),
  },
  {
    number: 7,
    when: 'the rule says "password"',
    line: 'rule',
    need: ({ rule }) => when(rule.access === 'password', password),
  },
  {
    number: 8,
    when: 'the account is exempt',
    line: 'none',
    need: ({ account }) => when(account?.exempt === true, password),
  },
  {
    number: 9,
    when: 'a second factor is required of the account',
    line: 'none',
    need: ({ account }) => when(account?.required === true, secondFactorOfItsOwn),
  },
  {
    number: 10,
    when: 'the network needs no second factor',
    line: 'network',
    need: ({ network }) => when(network?.secondFactor === 'not-required', password),
  },
  {
    number: 11,
    when: 'a second factor is required of everyone, or the user has set one up',
    line: 'none',
    need: (input) => when(input.secondFactor.required === 'everyone' || input.account?.enrolled === true, secondFactor),
  },
  { number: 12, when: 'nothing asks for a second factor', line: 'none', need: () => password },
]

/** From what lets through to what keeps out; of several rules that have a say, the strictest has it. */
const strictness: Record<Outcome, number> = {
  allow: 0,
  reauthenticate: 1,
  'second-factor': 2,
  enrol: 3,
  'sign-in': 4,
  deny: 5,
}

/** What may be done with a request. The only place that says so: proxy, upgrades, subrequests and `explain` ask here. */
export function decide(input: DecideInput): Decision {
  let decision = decideByRule(input)
  for (const rule of input.rule.also ?? []) {
    const other = decideByRule({ ...input, rule })
    if (strictness[other.outcome] > strictness[decision.outcome]) decision = other
  }
  return decision
}

function decideByRule(input: DecideInput): Decision {
  for (const row of rows) {
    const need = row.need(input)
    if (need !== undefined) return answer(row, need, input)
  }
  throw new Error('the last line of the table always fits')
}

function answer(row: Row, need: Need, input: DecideInput): Decision {
  const line = row.line === 'network' ? input.network?.line : input.rule.line
  const says = (outcome: Outcome, reason: string): Decision => ({
    outcome,
    row: row.number,
    rule: input.rule,
    because: row.when,
    reason,
    line,
    needs: need.kind === 'deny' ? 'nothing' : need.kind,
    ...(need.kind === 'second-factor' && need.proof !== undefined ? { proof: need.proof } : {}),
  })
  if (need.kind === 'deny') return says('deny', 'nobody passes')
  if (need.kind === 'nothing') return says('allow', 'nobody is asked')
  return answerSignedIn(need, input, says)
}

type Says = (outcome: Outcome, reason: string) => Decision

function answerSignedIn(need: Need, input: DecideInput, says: Says): Decision {
  const { account, session, rule, now } = input
  if (account === undefined || session === undefined) return says('sign-in', 'nobody is signed in')
  if (session.passwordAt === undefined && session.token !== true) return says('sign-in', 'the password is missing')
  if (isProgram(input)) return answerProgram(need, input, says)
  const unenrolled = need.kind === 'second-factor' && !account.enrolled
  if (unenrolled && need.device === 'yes' && hasGrace(input)) {
    return { ...answerSignedIn(password, input, (...said) => ({ ...says(...said), needs: 'password' })), isGrace: true }
  }
  const provenAt =
    need.kind === 'second-factor' ? secondFactorAt(need, input) : latest(session.passwordAt, session.secondFactorAt)
  // Where users are led to set one up, nothing else stands for it: everything stays locked until it is done. With
  // recovery codes the code is good for this one session; without setting one up the next takes another code.
  const mustEnrol = unenrolled && input.secondFactor.unenrolled === 'enrol'
  if (provenAt === undefined && !mustEnrol) {
    return unenrolled
      ? { ...says('second-factor', 'a recovery code is needed'), recoveryCodeOnly: true }
      : says(
          'second-factor',
          need.kind === 'second-factor' && need.proof ? 'a passkey is missing' : 'the second factor is missing',
        )
  }
  // After the proofs: which groups a page is for is nobody's business before.
  if (!isAmong(input)) return says('deny', 'the user is not among those of the rule')
  if (mustEnrol) return says('enrol', 'a second factor must be set up first')
  if (!isFresh(provenAt, rule.reauthenticateSeconds, now)) {
    return says(
      'reauthenticate',
      `the ${need.kind === 'password' ? 'password' : 'second factor'} was given too long ago`,
    )
  }
  return says('allow', 'everything that is needed was given')
}

/** A program proves itself anew with every request, so its proof is never old, and it has no second factor to give. */
function answerProgram(need: Need, input: DecideInput, says: Says): Decision {
  const outside = input.session?.outside
  if (outside !== undefined) return says('deny', `the token is not for this ${outside}`)
  if (need.kind === 'second-factor') return says('deny', 'a program cannot give a second factor')
  if (input.rule.clients !== 'api') return says('deny', 'programs pass only where a rule has "clients: api"')
  if (!isAmong(input)) return says('deny', 'the account is not among those of the rule')
  return says('allow', 'the password or token of a program is enough here')
}

function when(fits: boolean, need: Need): Need | undefined {
  return fits ? need : undefined
}

/** Only of somebody who is signed in: a stranger must not learn by a name which accounts are active, or from where. */
function isBarred({ account, session, address }: DecideInput): boolean {
  if (account === undefined || session === undefined) return false
  if (!account.active) return true
  return !mayComeFrom(account.addresses, address)
}

function isProgram({ account, session }: DecideInput): boolean {
  return account?.role === 'api' || session?.token === true
}

function isAmong({ rule: { groups, users }, account }: DecideInput): boolean {
  if (groups === undefined && users === undefined) return true
  if (groups?.some((group) => account?.groups.includes(group) === true)) return true
  return users !== undefined && account?.username !== undefined && users.includes(foldUsername(account.username))
}

/**
 * Whether setting one up can wait. Only where the account or the installation asks for it, which may be no more than a
 * wish for later; a rule or a network that asks for one means now.
 */
function hasGrace({ account, secondFactor: { unenrolled, grace } }: DecideInput): boolean {
  return account?.grace === true && unenrolled === 'enrol' && grace !== undefined
}

/** When the second factor was given, by the user or by the device that stands for it; `undefined` when it was not. */
function secondFactorAt(need: Need, { session, account, rule, now }: DecideInput): number | undefined {
  if (need.kind !== 'second-factor') return session?.secondFactorAt
  const givenAt = session?.fellBack === true && !need.fallback ? undefined : session?.secondFactorAt
  // With one that did not ask who holds it, the other proof is still missing.
  if (need.proof === 'passkey') return givenAt === undefined ? undefined : session?.passkeyAt
  if (need.device === 'no') return givenAt
  const deviceAt = account?.enrolled === true ? session?.deviceAt : undefined
  if (deviceAt === undefined || need.device === 'yes') return latest(givenAt, deviceAt)
  // Without `reauthenticate` there is no age to be younger than: `second-factor` means always both.
  const limit = rule.reauthenticateSeconds
  const counts = limit !== undefined && isFresh(deviceAt, limit, now)
  return counts ? latest(givenAt, deviceAt) : givenAt
}

function isFresh(at: number | undefined, limitSeconds: number | undefined, now: number): boolean {
  return limitSeconds === undefined || (at !== undefined && now - at < limitSeconds * 1000)
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.max(a, b)
}
