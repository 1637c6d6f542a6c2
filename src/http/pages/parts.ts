import type { Portal } from '../../access/portal.js'
import type { SecondFactor } from '../../contracts.js'
import type { HelpDesk } from '../../identity/notices/help-desk.js'
import type { KnownBrowsers } from '../../identity/notices/known-browsers.js'
import type { NotMe } from '../../identity/notices/not-me.js'
import type { OwnAccount } from '../../identity/own-account/own-account.js'
import type { BackupCodes } from '../../identity/second-factors/backup-codes.js'
import type { RememberedDevices } from '../../identity/sessions/remembered-devices.js'
import type { Sessions } from '../../identity/sessions/sessions.js'
import type { Tickets } from '../../identity/sessions/tickets.js'
import type { WaitingForms } from '../../identity/sessions/waiting-forms.js'
import type { BrowserSignIn } from '../../identity/sign-in/browser-sign-in.js'
import type { LinkSignIn } from '../../identity/sign-in/link-sign-in.js'
import type { SignIn } from '../../identity/sign-in/sign-in.js'
import type { Sealed } from '../../identity/store/sealed.js'
import type { Operations } from '../../operations/operations.js'
import type { PagePolicy } from '../gate/page-policy.js'
import type { Leaving } from '../portal/leaving.js'
import type { ListedSites } from '../portal/listed-sites.js'
import type { Cookies } from '../web/cookies.js'
import type { RenderedPage } from '../web/errors.js'
import type { FormTokens } from '../web/form-token.js'
import { carried } from '../web/return-path.js'
import type { Assets } from './assets.js'
import type { BrandData } from './brand.js'
import type { Strangers } from './strangers.js'
import type { Templates } from './templates.js'

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
  /** Left out: ours. */
  readonly brand?: BrandData
}

/** Pages that stand in the place of an application's answer. */
export interface SmallPages {
  /**
   * Within another page, where ours are not shown.
   * @param way to the sign-in, for the whole window
   * @param isForeign the page around it is another site's: browsers keep our cookie from what it shows
   */
  framed(facts: { readonly way: string; readonly isForeign: boolean }): RenderedPage
  /** Sends a form once more, to the same address. */
  sendAgain(fields: ReadonlyArray<readonly [name: string, value: string]>): RenderedPage
}

/** What the pages are made with. */
export interface PagesParts extends PageLook {
  readonly small: SmallPages
  readonly cookies: Cookies
  readonly formTokens: FormTokens
  /** What may be done by whoever has proved nothing. */
  readonly strangers: Strangers
  readonly sessions: Pick<Sessions, 'find' | 'end' | 'branch'>
  readonly portal: Portal
  readonly leaving: Leaving
  readonly listedSites: ListedSites
  readonly tickets: Tickets
  readonly now: () => number
  /** Whether people may type their mail address for their username. */
  readonly byEmail: boolean
  /** Whether people say themselves that they stay signed in when the browser is closed. */
  readonly keepsSessions: 'ask' | 'always'
  readonly signIn: SignIn
  readonly linkSignIn: LinkSignIn
  readonly browserSignIn: BrowserSignIn
  readonly helpDesk: HelpDesk
  readonly own: OwnAccount
  readonly notMe: NotMe
  readonly devices: RememberedDevices
  readonly knownBrowsers: Pick<KnownBrowsers, 'mark'>
  readonly backupCodes: BackupCodes
  readonly sealed: Sealed
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly pagePolicy: PagePolicy
  readonly desk: Operations
  readonly waitingForms: WaitingForms
  /** Scripts of an application have the origin of these pages: every change asks for a proof of its own. */
  readonly isPortalShared: boolean
  /** Whether the desk opens only to those who have a second factor. */
  readonly deskNeedsSecondFactor: boolean
}

/** What the layout of every page needs. */
export function commonData({ prefix, productName, assets, brand = {} }: PageLook): object {
  const asset = (name: string) => prefix + assets.path(name)
  return { prefix, productName, lang: 'en', dir: 'ltr', asset, brand, carried }
}
