import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { awaitingOf } from '../../../identity/accounts/account.js'
import { factorName, type OwnFactor } from '../../../identity/own-account/own-factors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { Visit } from '../visit.js'
import { doneNotice, loadConfirmed, proveFirst, requireForm, requireFreshProof, requireSession } from './require.js'
import { spoken } from './words.js'

const PAGE = '/account/methods'

/** Second factors in use, and those that could be. */
export async function showMethods(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, PAGE)
  if (open === undefined) return elsewhere
  const { own } = visit.parts
  const factors = await own.factors.list(open)
  return visit.page('account-methods', {
    username: open.account.username,
    done: doneNotice(visit),
    isRequired: isRequired(visit, open),
    factors: factors.map((factor) => ({ ...shown(factor), address: visit.own(`${PAGE}/${factor.id}`) })),
    awaiting: awaitingShown(visit, open),
    // One at a time: what waits for an owner is approved or refused first.
    offered: awaitingOf(open.account) === undefined ? await offered(visit, open) : [],
    // Who set a factor up before there were any has none to use, and a place to make some.
    signals: await signals(visit, open),
    opensAlone: factors.some(
      ({ method, isOff, about }) => !isOff && about?.provesUser === true && isForSignIn(visit, method),
    ),
    backupCodes: factors.length === 0 ? undefined : ((await own.backupCodesLeft(open)) ?? 0),
  })
}

/** For browsers, which go on to offer what was removed here. */
async function signals(visit: Visit, open: OpenSession): Promise<object | undefined> {
  const said = await visit.parts.own.factors.signals(open)
  if (said.length === 0) return undefined
  return { text: JSON.stringify(said), script: visit.parts.prefix + visit.parts.assets.path('passkeys.js') }
}

function isForSignIn(visit: Visit, method: string): boolean {
  const factor = visit.parts.secondFactors.get(method)
  return factor !== undefined && 'asks' in factor && factor.signIn !== undefined
}

function awaitingShown(visit: Visit, { account }: OpenSession): object | undefined {
  const awaiting = awaitingOf(account)
  const label = awaiting && (visit.parts.secondFactors.get(awaiting.method)?.label ?? awaiting.method)
  return awaiting && { label, since: spoken(awaiting.at) }
}

/** Leads to setting another one up: with a proof that is fresh, for it will open the account. */
export async function addMethod(visit: Visit, use: string): Promise<FastifyReply> {
  const form = { action: 'add-method', subject: use, what: 'Add a way to sign in' }
  const { open, elsewhere } = await loadConfirmed(visit, `${PAGE}/add/${use}`, form)
  if (open === undefined) return elsewhere
  const isOffered = (await offered(visit, open)).some(({ id }) => id === use)
  if (!isOffered) throw new GatelodgeError('not-found')
  // One that was begun before may not know a number that was changed since.
  visit.forgetPending()
  const returnTo = visit.own(PAGE)
  const step = await visit.parts.signIn.stepUp(visit.sessionToken, returnTo, 'enrol')
  if (step.outcome !== 'enrol') return visit.goTo(visit.own('/sign-in', returnTo, 'again'))
  visit.startPending(step.pendingToken)
  return visit.goTo(visit.own(`/enrol/${use}`, returnTo))
}

export async function showMethod(visit: Visit, id: string): Promise<FastifyReply> {
  const { open, elsewhere } = await requireFreshProof(visit, `${PAGE}/${id}`)
  if (open === undefined) return elsewhere
  return visit.page('account-method', await form(visit, open, id))
}

export async function renameMethod(visit: Visit, id: string): Promise<FastifyReply> {
  return change(visit, id, 'renamed', undefined, async (open) => {
    const name = factorName(visit.field('name'))
    if (name === undefined) {
      const again = { ...(await form(visit, open, id)), typed: visit.field('name').slice(0, 80), fault: 'name' }
      return visit.refuse('account.refused', 'account-method', again)
    }
    return visit.parts.own.factors.rename(open, id, name, visit.parts.pagePolicy.client(visit.request))
  })
}

export async function preferMethod(visit: Visit, id: string): Promise<FastifyReply> {
  return change(visit, id, 'preferred', undefined, (open) =>
    visit.parts.own.factors.prefer(open, id, visit.parts.pagePolicy.client(visit.request)),
  )
}

export async function removeMethod(visit: Visit, id: string): Promise<FastifyReply> {
  const confirmed = { action: 'remove-method', subject: id, what: 'Remove a way to sign in' }
  return change(visit, id, 'removed', confirmed, async (open) => {
    const { own, pagePolicy } = visit.parts
    const client = pagePolicy.client(visit.request)
    const refusal = await own.factors.remove(open, id, { isRequired: isRequired(visit, open), client })
    if (refusal !== 'required') return refusal
    // It has become the last one while others were being removed.
    const again = { ...(await form(visit, open, id)), isLast: true, isRequired: true, fault: 'required' }
    return visit.refuse('account.refused', 'account-method', again)
  })
}

async function change(
  visit: Visit,
  id: string,
  done: string,
  confirmed: Parameters<typeof requireForm>[3],
  work: (open: OpenSession) => Promise<'unproven' | 'gone' | FastifyReply | undefined>,
): Promise<FastifyReply> {
  const page = `${PAGE}/${id}`
  const { open, elsewhere } = await requireForm(visit, page, 'factors', confirmed)
  if (open === undefined) return elsewhere
  const result = await work(open)
  if (result === undefined) return visit.goTo(`${visit.own(PAGE)}?done=${done}`)
  if (result === 'unproven') return proveFirst(visit, page)
  // Removed in another tab, or by the same form sent twice: the list says what there is.
  if (result === 'gone') return visit.goTo(visit.own(PAGE))
  return result
}

async function form(visit: Visit, open: OpenSession, id: string): Promise<object> {
  const factors = await visit.parts.own.factors.list(open)
  const factor = factors.find((each) => each.id === id)
  if (factor === undefined) throw new GatelodgeError('not-found')
  const isLast = factors.length === 1
  return {
    token: visit.formToken('factors', visit.sessionToken),
    username: open.account.username,
    factor: { ...shown(factor), address: visit.own(`${PAGE}/${id}`) },
    isLast,
    isRequired: isRequired(visit, open),
    typed: factor.name,
  }
}

/** Whether this account, without any second factor, would have to set one up at once. */
function isRequired(visit: Visit, { session, account }: OpenSession): boolean {
  const { secondFactorAt: _, deviceAt: __, ...rest } = session
  const bare = { session: rest, account: { ...account, enrolled: [] } }
  return visit.parts.pagePolicy.outcome(visit.request, visit.own('/account'), bare) !== 'allow'
}

/** What could be set up. A second one of a method whose codes go to the same address would add nothing. */
async function offered(visit: Visit, open: OpenSession): Promise<ReadonlyArray<Offered>> {
  const { signIn, own } = visit.parts
  const used = new Set(open.account.enrolled.map(({ method }) => method))
  return signIn
    .available(open.account, await own.contact.read(open))
    .filter(({ id, sends }) => sends === undefined || !used.has(id))
    .map(({ id, label }) => ({ id, label, address: visit.own(`${PAGE}/add/${id}`) }))
}

interface Offered {
  readonly id: string
  readonly label: string
  readonly address: string
}

function shown({ createdAt, lastUsedAt, ...factor }: OwnFactor): object {
  return { ...factor, since: spoken(createdAt), lastUsed: lastUsedAt === undefined ? undefined : spoken(lastUsedAt) }
}
