import type { FastifyReply } from 'fastify'
import type { Outcome } from '../../../access/decide.js'
import { hostName } from '../../../access/policy.js'
import { GatelodgeError } from '../../../errors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { ListedSite } from '../../portal/listed-sites.js'
import { onwardPath } from '../../portal/onward.js'
import { requireSessionFor } from '../account/require.js'
import type { Visit } from '../visit.js'

/** An application as the page shows it. */
interface Entry {
  readonly name: string
  /** What is shown where there is no icon. */
  readonly initial: string
  readonly address: string
  readonly icon: string | undefined
  /** What is asked on the way there. */
  readonly asks: 'second-factor' | 'enrol' | 'again' | undefined
  /** Does not match what was searched for. */
  readonly isHidden: boolean
}

/** The applications that whoever is signed in may open from this network, by the same decision as the request itself gets. */
export function showApps(visit: Visit): Promise<FastifyReply> {
  return show(visit, visit.own('/apps'))
}

/** The same as `/` of a portal that is no site. */
export function showStart(visit: Visit): Promise<FastifyReply> {
  return show(visit, '/')
}

async function show(visit: Visit, here: string): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSessionFor(visit, here)
  if (open === undefined) return elsewhere
  const search = visit.parameter('q').trim().slice(0, LONGEST_SEARCH)
  const entries = entriesFor(visit, open, search)
  return visit.page('apps', {
    token: visit.formToken('sign-out', visit.sessionToken),
    here,
    entries,
    shown: entries.filter(({ isHidden }) => !isHidden).length,
    search,
    isSearchable: entries.length >= FEWEST_TO_SEARCH,
  })
}

/** An icon of an application, for those who are signed in, and on the sign-in page that names it: what runs here is nobody else's business. */
export async function showIcon(visit: Visit, name: string): Promise<FastifyReply> {
  const icon = visit.parts.listedSites.icon(name)
  const isShown = visit.hasPictureToken(name) || (await visit.session()) !== undefined
  if (icon === undefined || !isShown) throw new GatelodgeError('not-found')
  // Opened by itself an SVG is a page of our origin: its scripts must not run there, nor may it fetch anything.
  visit.reply.header('content-security-policy', ICON_POLICY)
  visit.reply.header('cache-control', 'private, max-age=31536000, immutable')
  return visit.reply.type(icon.type).send(icon.bytes)
}

function entriesFor(visit: Visit, open: OpenSession, search: string): readonly Entry[] {
  const { listedSites, prefix } = visit.parts
  const wanted = fold(search)
  return listedSites.all
    .flatMap((site) => {
      const target = targetOf(visit, site)
      if (target === undefined) return []
      const outcome = visit.parts.pagePolicy.outcome(visit.request, target.judged, open)
      // On a site that is only observed everybody passes, whatever was decided.
      const asks = site.isEnforced ? asked[outcome] : undefined
      if (asks === 'nothing-helps') return []
      const { name } = site
      const icon = site.icon === undefined ? undefined : `${prefix}/icons/${site.icon}`
      const [initial = ''] = name.toUpperCase()
      return [{ name, initial, address: target.address, icon, asks, isHidden: !fold(name).includes(wanted) }]
    })
    .toSorted((one, other) => one.name.localeCompare(other.name))
}

/** @returns the address for the browser, and what is judged for it; `undefined` for what cannot be opened from here */
function targetOf(visit: Visit, { host, path }: ListedSite): { address: string; judged: string } | undefined {
  const { portal, prefix, pagePolicy } = visit.parts
  if (host === undefined || host === hostName(visit.request.headers.host ?? '')) {
    return pagePolicy.isServedHere(visit.request, { host, path }) ? { address: path, judged: path } : undefined
  }
  const address = portal.addressAt(host, path)
  const place = address === undefined ? undefined : portal.place(address)
  return place && { address: place.origin + place.target, judged: onwardPath(prefix, { place, isAgain: false }) }
}

const asked: Readonly<Record<Outcome, Entry['asks'] | 'nothing-helps'>> = {
  allow: undefined,
  'second-factor': 'second-factor',
  reauthenticate: 'again',
  enrol: 'enrol',
  'sign-in': 'nothing-helps',
  deny: 'nothing-helps',
}

/** As people search: without regard to case and accents. The script of the page does the same. */
function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
}

/** Fewer are seen at a glance. */
const FEWEST_TO_SEARCH = 3

const LONGEST_SEARCH = 100

const ICON_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
