import type { FastifyReply } from 'fastify'
import { type ErrorCode, errors, GatelodgeError } from '../../../errors.js'
import type { OpenSession } from '../../../identity/sessions.js'
import { type Actor, type Operation, Refusal } from '../../../operations/operation.js'
import { loadOwn, proveFirst } from '../account/standing.js'
import type { Visit } from '../visit.js'

/** Who sits at the desk, or the redirect to where this visitor has to go first. */
export type DeskStanding =
  | { readonly open: OpenSession; readonly by: Actor; readonly elsewhere?: undefined }
  | { readonly open?: undefined; readonly by?: undefined; readonly elsewhere: FastifyReply }

/**
 * For owners and support. To everybody else who is signed in there is nothing here, as under any address that is none.
 * @throws `not-found`
 */
export async function loadDesk(visit: Visit, page: string): Promise<DeskStanding> {
  const { open, elsewhere } = await loadOwn(visit, page)
  if (open === undefined) return { elsewhere }
  const { id, username, role } = open.account
  if (role !== 'owner' && role !== 'support') throw new GatelodgeError('not-found')
  const isFresh = visit.parts.own.missingProof(open) === undefined
  const client = visit.parts.entrance.client(visit.request)
  return { open, by: { door: 'page', role, account: { id, username }, client, isFresh } }
}

/** Does or looks at something, and gives the answer that stands in the way, where one does. */
export async function ask<Output>(
  visit: Visit,
  operation: Operation & { run(...given: never[]): Promise<Output> },
  input: object,
  { by, page }: { readonly by: Actor; readonly page: string },
): Promise<{ readonly done: Exclude<Output, Refusal>; readonly elsewhere?: undefined } | Stopped> {
  const done = await visit.parts.desk.run(operation, input, by)
  if (!(done instanceof Refusal)) return { done: done as Exclude<Output, Refusal> }
  if (done.code === 'operation.unproven') return { elsewhere: await proveFirst(visit, `${page}?done=proven`) }
  return { elsewhere: showRefusal(visit, done, page) }
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

/** What every page of the desk shows. */
export function deskData(visit: Visit, by?: Actor): object {
  const done = visit.parameter('done')
  return {
    isOwner: by?.role === 'owner',
    me: by?.account?.username,
    approvals: visit.parts.desk.rooms.approvals.isOn,
    token: visit.formToken('admin', visit.sessionToken),
    said: /^[a-z.-]{1,40}$/.test(done) ? done : undefined,
  }
}
