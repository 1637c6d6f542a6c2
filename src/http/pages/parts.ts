import type { FastifyRequest } from 'fastify'
import type { Outcome } from '../../access/decide.js'
import type { SecondFactor } from '../../contracts.js'
import type { BackupCodes } from '../../identity/backup-codes.js'
import type { ClientFacts } from '../../identity/client-facts.js'
import type { Devices } from '../../identity/devices.js'
import type { HelpDesk } from '../../identity/help-desk.js'
import type { LinkSignIn } from '../../identity/link-sign-in.js'
import type { NotMe } from '../../identity/not-me.js'
import type { OwnAccount } from '../../identity/own-account.js'
import type { Sealed } from '../../identity/sealed.js'
import type { OpenSession, Sessions } from '../../identity/sessions.js'
import type { PasswordInput, SignIn } from '../../identity/sign-in.js'
import type { Desk } from '../../operations/desk.js'
import type { Cookies } from '../cookies.js'
import type { FormTokens } from '../form-token.js'
import type { Assets } from './assets.js'
import type { Templates } from './templates.js'

/** What the pages ask of the gate. The pages decide nothing. */
export interface Entrance {
  /** Where the request comes from, for budgets and audit. */
  client(request: FastifyRequest): ClientFacts
  /** Whether an application is served at this decoded path of the host that was asked. */
  isOnSite(request: FastifyRequest, path: string): boolean
  /** What a GET of this target on the host that was asked would get; our own targets count as `signed-in`. */
  outcome(request: FastifyRequest, target: string, open: OpenSession): Outcome
  /** Whether somebody who is led to set a second factor up on the way to this target may go on without, for now. */
  mayPutOffEnrolment(request: FastifyRequest, target: string, open: OpenSession): boolean
  /** What policy asks after a right password, on the way to this target. */
  asks(request: FastifyRequest, target: string): PasswordInput['policy']
}

/** What every page shows, and an error page is made with. */
export interface PageLook {
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** What the service is called towards its users. */
  readonly productName: string
  /** Whether visitors come by https. */
  readonly secure: boolean
  readonly templates: Templates
  readonly assets: Assets
}

/** What the pages are made with. */
export interface PagesParts extends PageLook {
  readonly cookies: Cookies
  readonly formTokens: FormTokens
  readonly sessions: Pick<Sessions, 'find' | 'end'>
  readonly signIn: SignIn
  readonly linkSignIn: LinkSignIn
  readonly helpDesk: HelpDesk
  readonly own: OwnAccount
  readonly notMe: NotMe
  readonly devices: Devices
  readonly backupCodes: BackupCodes
  readonly sealed: Sealed
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly entrance: Entrance
  readonly desk: Desk
}

/** What the layout of every page needs. */
export function commonData({ prefix, productName, assets }: PageLook): object {
  return { prefix, productName, lang: 'en', dir: 'ltr', asset: (name: string) => prefix + assets.path(name) }
}
