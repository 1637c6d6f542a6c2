import type { FastifyReply } from 'fastify'
import { type ErrorCode, errors, GatelodgeError } from '../../../errors.js'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import { type Actor, type Operation, Refusal } from '../../../operations/operation.js'
import { requireSession } from '../account/require.js'
import { confirmFirst } from '../confirm-first.js'
import type { Visit } from '../visit.js'
import { placesFor } from './navigation/places.js'

/** Who sits at the desk, or the redirect to where this visitor has to go first. */
export type AdminAccess =
  | { readonly open: OpenSession; readonly by: Actor; readonly elsewhere?: undefined }
  | { readonly open?: undefined; readonly by?: undefined; readonly elsewhere: FastifyReply }

/**
 * For owners and support. To everybody else who is signed in there is nothing here, as under any address that is none.
 * @throws `not-found`
 */
export async function requireAdmin(visit: Visit, page: string): Promise<AdminAccess> {
  const { open, elsewhere } = await requireSession(visit, page)
  if (open === undefined) return { elsewhere }
  const { id, username, role } = open.account
  if (role !== 'owner' && role !== 'support') throw new GatelodgeError('not-found')
  const way = await wayToDesk(visit, open, page)
  if (way !== undefined) return { elsewhere: visit.goTo(way) }
  const isFresh = visit.parts.own.missingProof(open) === undefined
  const client = visit.parts.pagePolicy.client(visit.request)
  const mustConfirm = visit.parts.isPortalShared && !visit.isConfirmed
  return { open, by: { door: 'page', role, account: { id, username }, client, isFresh, mustConfirm } }
}

/**
 * Where somebody has to go who gave the password alone: it may be known to others, and the desk makes owners and tokens.
 * Whoever has no second factor sets one up; where the network or an exemption lets a session open without it, it is asked here.
 */
async function wayToDesk(visit: Visit, { session, account }: OpenSession, page: string): Promise<string | undefined> {
  if (!visit.parts.deskNeedsSecondFactor) return undefined
  const here = visit.own(page)
  if (usableEnrolments(account).length === 0) return visit.own('/enrol', here)
  const isProven = session.secondFactorAt !== undefined || session.deviceAt !== undefined
  return isProven ? undefined : visit.own('/verify', here)
}

/** Does or looks at something, and gives the answer that stands in the way, where one does. */
export async function ask<Output>(
  visit: Visit,
  operation: Operation & { run(...given: never[]): Promise<Output> },
  input: object,
  { by, page, again }: Asking,
): Promise<{ readonly done: Exclude<Output, Refusal>; readonly elsewhere?: undefined } | Stopped> {
  const done = await visit.parts.desk.run(operation, input, by)
  if (!(done instanceof Refusal)) return { done: done as Exclude<Output, Refusal> }
  if (done.code === 'operation.unconfirmed' || done.code === 'operation.unproven') {
    const isStale = done.code === 'operation.unproven'
    const says = { what: sentence(operation.summary), details: await detailsOf(visit), isStale }
    // What was filled in is kept and done with the proof, so that nobody fills it in again.
    return { elsewhere: await confirmFirst(visit, { action: 'desk', subject: operation.name, says }) }
  }
  return { elsewhere: (await again?.(done)) ?? showRefusal(visit, done, page) }
}

/** What was filled in, by name; not what is no business of eyes, nor too long for them. */
async function detailsOf(visit: Visit): Promise<ReadonlyArray<readonly [string, string]>> {
  const { token: _, page: __, file: ___, sure: ____, user, ...rest } = visit.fields
  const named = typeof user === 'string' ? await visit.parts.desk.find(user) : undefined
  const said = Object.entries(rest).map(([name, value]) => [name, [value].flat().join(', ').slice(0, 200)] as const)
  const filled = said.filter(([, value]) => value.trim() !== '')
  return named === undefined ? filled : [['user', named.user.username], ...filled]
}

function sentence(summary: string): string {
  return `${summary[0]?.toUpperCase()}${summary.slice(1)}`
}

interface Asking {
  readonly by: Actor
  readonly page: string
  /** The form with what is wrong in it, where it can be shown so. */
  again?(refusal: Refusal): Promise<FastifyReply> | undefined
}

interface Stopped {
  readonly done?: undefined
  readonly elsewhere: FastifyReply
}

/** Says why it was not done, and leads back. */
export function showRefusal(visit: Visit, { code, sentence }: Refusal, page: string): FastifyReply {
  if (code === 'user.unknown') throw new GatelodgeError('not-found')
  const isAllowed: boolean = errors[code as ErrorCode].status !== 403
  return visit.refuse(code, 'admin-refused', { ...deskData(visit), sentence, isAllowed, back: visit.own(page) })
}

/** Who looks at the desk, as its navigation has to know. */
export function readerOf(visit: Visit, by: Actor | undefined): { isOwner: boolean; hasApprovals: boolean } {
  return { isOwner: by?.role === 'owner', hasApprovals: visit.parts.desk.services.approvals.isOn }
}

/** What every page of the desk shows. */
export function deskData(visit: Visit, by?: Actor): object {
  const done = visit.parameter('done')
  const at = visit.request.url.slice(visit.own('').length).replace(/[?].*/, '')
  const isHere = (path: string) => at === path || (path !== '/admin' && at.startsWith(`${path}/`))
  const places = placesFor(readerOf(visit, by)).map((group) => ({
    name: group.name,
    places: group.places.map(({ path, name }) => ({ path, name, isHere: isHere(path) })),
  }))
  return {
    places,
    hereName: places.flatMap((group) => group.places).find((place) => place.isHere)?.name,
    isOwner: by?.role === 'owner',
    me: by?.account?.username,
    approvals: visit.parts.desk.services.approvals.isOn,
    token: visit.formToken('admin', visit.sessionToken),
    said: /^[a-z.-]{1,40}$/.test(done) ? done : undefined,
  }
}
