import { isIP } from 'node:net'
import { AddressRanges } from '../access/client-address.js'
import { isPortalLocal, isPortalShared } from '../access/portal.js'
import { leastContrast } from './checks/brand-colors.js'
import { isLoopback } from './scalars.js'
import type { Config } from './schema.js'

/** What is right and yet dangerous, or will not work, each with its line. */
export function warningsAbout(config: Config): readonly string[] {
  return [
    ...aboutSites(config),
    ...aboutPortal(config),
    ...sendsNothing(config),
    ...trustsAnybody(config),
    ...trustsNobody(config),
    ...lacksOfProfile(config),
    ...aboutColor(config),
  ]
}

function aboutSites({ publicUrl, sites }: Pick<Config, 'publicUrl' | 'sites'>): readonly string[] {
  return sites.flatMap((site) => {
    const { line, enforce, serviceWorkers } = site
    const name = nameOf(site)
    return [
      ...(enforce ? [] : [`${line}  NOT ENFORCED: the site of ${name} ${unenforced}`]),
      ...(serviceWorkers === 'allow' ? [`${line}  SERVICE WORKERS: the application of ${name} ${replaceable}`] : []),
      ...(!isPortalLocal({ publicUrl }) && isPortalShared({ publicUrl, sites: [site] })
        ? [`${line}  SHARED HOST: the site of ${name} ${shared}`]
        : []),
    ]
  })
}

/** Hosts that browsers cannot be sent to from the portal, or back to, as it stands. */
function aboutPortal({ publicUrl, signIn, sites }: Pick<Config, 'publicUrl' | 'signIn' | 'sites'>): readonly string[] {
  if (signIn.at !== 'portal') return []
  const { origin, hostname } = new URL(publicUrl)
  const isLocal = isPortalLocal({ publicUrl })
  return sites.flatMap((site) => {
    const { host, line } = site
    if (host === undefined || host === hostname) return []
    if (isLocal && !isLoopback(host)) {
      return [
        `${line}  PORTAL OUT OF REACH: people at ${host} are sent to ${origin} to sign in, which is their own machine; set publicUrl to an address they reach, by https`,
      ]
    }
    if (!isLocal && isLoopback(host)) {
      return [
        `${line}  NO WAY BACK: after signing in at ${origin} people are sent to ${host}, which is their own machine`,
      ]
    }
    if (origin.startsWith('https:') && isIP(host.replace(/^\[|\]$/g, '')) !== 0) {
      return [
        `${line}  NO CERTIFICATE: people are sent to https://${host}, and few authorities certify an address; without one browsers refuse the page and its __Host- cookies; give the site a name`,
      ]
    }
    return []
  })
}

/** Alerts that go nowhere. Methods that need mail are refused without it. */
function sendsNothing({ mail, audit: { mailOwners } }: Config): readonly string[] {
  const isWanted = mailOwners === true || (Array.isArray(mailOwners) && mailOwners.length > 0)
  if (mail !== undefined || !isWanted) return []
  return ['1  NO MAIL: audit.mailOwners cannot tell owners anything as long as mail does not say how it is sent']
}

/** Whoever may say where a request came from is no limit, no network rule and no budget. */
function trustsAnybody({ trustedProxies, trustedProxiesLine }: Config): readonly string[] {
  const trusted = AddressRanges.parse(trustedProxies)
  const halves = ['0.0.0.0/0', '::/0'].filter((all) => trusted.covers(AddressRanges.parse([all])))
  if (halves.length === 0) return []
  return [
    `${trustedProxiesLine}  TRUSTS EVERYBODY: with ${halves.join(' and ')} among trustedProxies any client can say it comes from any address; name the addresses of your proxies`,
  ]
}

/** The gateway speaks no TLS itself: an https address is a proxy's, whose word on clients must count. */
function trustsNobody({ publicUrl, trustedProxies, trustedProxiesLine, forwardAuth }: Config): readonly string[] {
  if (!publicUrl.startsWith('https:') || trustedProxies.length > 0 || forwardAuth.peers !== undefined) return []
  return [
    `${trustedProxiesLine}  EVERYBODY LOOKS THE SAME: publicUrl is https, so a proxy stands in front, and trustedProxies names none; every client is taken for that proxy, and the wrong passwords of one delay all`,
  ]
}

/** An operator who chose a colour wants to know where people see another. */
function aboutColor({ brand: { color, palette, line } }: Config): readonly string[] {
  if (color === undefined || palette === undefined) return []
  const shown = [palette.light.accent, palette.dark.accent]
  if (shown.includes(color)) return []
  return [
    `${line}  COLOUR CHANGED: text in ${color} cannot be read on our pages (less than ${leastContrast} to 1, WCAG 2.2, 1.4.3); they show ${shown[0]}, and ${shown[1]} in the dark`,
  ]
}

/** What a profile asks for and cannot set: it depends on what users are offered. */
function lacksOfProfile({ profile, secondFactor: { methods } }: Config): readonly string[] {
  if (profile === undefined) return []
  const { name, line } = profile
  const uses = methods.map(({ use }) => use)
  return [
    ...(uses.includes('passkey')
      ? []
      : [
          `${line}  profile ${name} asks for one method that cannot be phished (NIST SP 800-63B-4, 2.2.2), and secondFactor.methods has no passkey`,
        ]),
    ...(uses.includes('sms') && !uses.some((use) => use !== 'sms')
      ? [
          `${line}  profile ${name} asks for another method beside sms, which is a restricted one (NIST SP 800-63B-4, 3.2.9)`,
        ]
      : []),
  ]
}

const unenforced = 'lets every request through and only writes down what it would stop'

const replaceable = 'may register one that shows pages of its own in the place of the sign-in page'

const shared =
  'is on the host of publicUrl: scripts of its application have the same rights there as the pages of account and ' +
  'administration, so every change asks for a code; give publicUrl a host of its own'

function nameOf({ host, path }: Pick<Config['sites'][number], 'host' | 'path'>): string {
  return `${host ?? 'any host'}${path === '/' ? '' : path}`
}
