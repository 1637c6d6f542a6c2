/** `api` is a user that is a program: it never gets a session and never sees a hosted page. */
export type Role = 'owner' | 'support' | 'user' | 'api'

export const roles: readonly Role[] = ['owner', 'support', 'user', 'api']

/** One active enrolment of an account. */
export interface Enrolled {
  readonly id: string
  /** What YAML calls the second factor, as in `totp`. */
  readonly method: string
}

/** Why one account need not give a second factor, and where. Everything that is said has to fit. */
export interface Exemption {
  readonly reason: string
  /** Hosts of sites it holds for. None: every site. */
  readonly sites?: readonly string[]
  /** Networks of clients in CIDR notation it holds for. None: everywhere. */
  readonly networks?: readonly string[]
  /** From this moment on it is over, in milliseconds since 1970. None: it holds until it is taken back. */
  readonly until?: number
}

/** What was used up of the time to set a second factor up in. */
export interface Grace {
  /** When it was first used, in milliseconds since 1970. */
  readonly from: number
  /** Sign-ins that went on without one. */
  readonly signIns: number
}

/** A second factor that was set up and waits for an owner. Until then it counts for nothing. */
export interface Awaiting extends Enrolled {
  /** ms since 1970. */
  readonly at: number
  /** Of the account then: what ended its sessions ended this as well. */
  readonly generation: number
}

/** What the gateway itself keeps about a user of the directory. What records of an earlier version lack is optional. */
export interface Account {
  /** The same as the user's. */
  readonly id: string
  readonly username: string
  /** `new`: still being added, so nobody can sign in with it yet. */
  readonly status: 'active' | 'deactivated' | 'new'
  readonly role: Role
  /** Raised to end every session, pending sign-in and link opened before. */
  readonly generation: number
  /** Raised to end every app token issued before. Left out: 0. */
  readonly tokenGeneration?: number
  /** A second factor is required of this account, whatever the installation asks. */
  readonly required: boolean
  /** Lets it through without a second factor, where neither a rule nor the network asks for one. */
  readonly exemption?: Exemption
  /** The only networks it may come from, in CIDR notation. None: any. */
  readonly addresses?: readonly string[]
  /** Second factors the owner switched off for this user, as YAML calls them: neither offered nor asked. */
  readonly methodsOff?: readonly string[]
  readonly grace?: Grace
  /** Sessions begun up to this moment were cleared, ms since 1970. */
  readonly clearedAt?: number
  /** The one place that says which enrolments count. */
  readonly enrolled: readonly Enrolled[]
  /** To be read by {@link awaitingOf}. */
  readonly awaiting?: Awaiting
  /** The enrolment that is asked first. */
  readonly preferred?: string
  readonly createdAt: number
  /** Was added without a password, and has not come in yet: only a link lets them in. */
  readonly isInvited?: true
}

/** The account with everything opened before it ended. */
export function raised(account: Account): Account {
  return { ...account, generation: account.generation + 1 }
}

/** The second factor that waits for an owner, where one still does. */
export function awaitingOf({ awaiting, generation }: Pick<Account, 'awaiting' | 'generation'>): Awaiting | undefined {
  return awaiting?.generation === generation ? awaiting : undefined
}

/** Whether the owner switched this method off for this user. */
export function isOff({ methodsOff }: Pick<Account, 'methodsOff'>, method: string): boolean {
  return methodsOff?.includes(method) === true
}

/** The enrolments that count for a sign-in: those of a method the owner did not switch off for this user. */
export function usableEnrolments({
  enrolled,
  methodsOff,
}: Pick<Account, 'enrolled' | 'methodsOff'>): Account['enrolled'] {
  return methodsOff === undefined ? enrolled : enrolled.filter(({ method }) => !methodsOff.includes(method))
}

/** The account with every app token ended that was issued before. */
export function withoutTokens(account: Account): Account {
  return { ...account, tokenGeneration: (account.tokenGeneration ?? 0) + 1 }
}

export function isOwner({ role, status }: Pick<Account, 'role' | 'status'>): boolean {
  return role === 'owner' && status === 'active'
}
