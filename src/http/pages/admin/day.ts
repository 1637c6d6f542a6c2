import type { FastifyReply } from 'fastify'
import { showDay as lookAtDay } from '../../../operations/day.js'
import { counted } from '../../../operations/day-counts.js'
import type { DependencyView } from '../../../operations/health.js'
import { listLocks } from '../../../operations/locks.js'
import { showSending } from '../../../operations/messages.js'
import { spoken } from '../account/words.js'
import type { PagesParts } from '../parts.js'
import type { Visit } from '../visit.js'
import { userPage } from './forms.js'
import { ask, deskData, loadDesk } from './standing.js'

/** The day at a glance: bars drawn here, and their numbers as a table. */
export async function showDay(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, '/admin')
  if (open === undefined) return elsewhere
  const result = await ask(visit, lookAtDay, {}, { by, page: '/admin' })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { hours, total, sending, dependencies } = result.done
  const charts = counted.map((what) => ({ what, total: total[what], bars: bars(hours.map((hour) => hour[what])) }))
  return visit.page('admin', {
    ...deskData(visit, by),
    charts,
    hours: hours.map(({ from, ...counts }) => ({ hour: `${from.slice(11, 13)}:00`, ...counts })),
    ...sentData(sending),
    dependencies: dependencies.map((one) => dependencyData(one, visit.parts.secondFactors)),
  })
}

export async function showLocks(visit: Visit): Promise<FastifyReply> {
  const page = '/admin/locks'
  const { open, by, elsewhere } = await loadDesk(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, listLocks, {}, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const locks = result.done.items.map(({ secondsLeft, ...lock }) => ({
    ...lock,
    wait: spokenWait(secondsLeft),
    address: lock.id === undefined ? undefined : visit.own(userPage(lock.id)),
  }))
  return visit.page('admin-locks', { ...deskData(visit, by), locks })
}

export async function showSent(visit: Visit): Promise<FastifyReply> {
  const page = '/admin/sending'
  const { open, by, elsewhere } = await loadDesk(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, showSending, {}, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  return visit.page('admin-sending', { ...deskData(visit, by), ...sentData(result.done) })
}

/** In words: what it is called, and what is known of it. */
function dependencyData(one: DependencyView, methods: PagesParts['secondFactors']): object {
  const { kind, name, isUp, reason } = one
  const rest = name.slice(name.indexOf(' ') + 1)
  const labels: Readonly<Record<DependencyView['kind'], string>> = {
    store: 'The store',
    users: name === rest ? 'The user directory' : `The user directory ${rest}`,
    upstream: `The application at ${rest === '*' ? 'any host' : rest}`,
    messages: name === 'mail' ? 'The mail server' : `Codes by ${(methods.get(name)?.label ?? name).toLowerCase()}`,
    'audit-out': rest === 'owner-mails' ? 'Mails to owners' : `The audit's way out to ${rest}`,
  }
  const when = (iso: string | undefined) => (iso === undefined ? undefined : spoken(Date.parse(iso)))
  const isAsked = kind !== 'messages' && kind !== 'audit-out'
  return {
    label: labels[kind],
    isUp,
    isIdle: isUp && kind === 'messages' && one.lastSuccessAt === undefined && one.lastFailureAt === undefined,
    isAsked,
    reason,
    since: when(one.since),
    failed: when(one.lastFailureAt),
    worked: when(one.lastSuccessAt),
    nextTry: when(one.nextTryAt),
  }
}

/** What was sent, with its cost in words. */
function sentData(sending: Record<'sms' | 'email', Spent>): object {
  const { sms, email } = sending
  const [cost] = [sms.cost, email.cost].filter((one) => one !== undefined)
  const total = cost && { ...cost, amount: (sms.cost?.amount ?? 0) + (email.cost?.amount ?? 0) }
  const inWords = (one: Spent) => ({ ...one, cost: one.cost && spokenMoney(one.cost) })
  return { sending: { sms: inWords(sms), email: inWords(email) }, spent: total && spokenMoney(total) }
}

/** A text message costs less than a cent in places. */
function spokenMoney({ amount, currency }: NonNullable<Spent['cost']>): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency, maximumFractionDigits: 4 }).format(amount)
}

interface Spent {
  readonly sent: number
  readonly perDay: number
  readonly cost?: { readonly amount: number; readonly currency: string } | undefined
}

function spokenWait(seconds: number): string {
  if (seconds < 60) return seconds === 1 ? 'a second' : `${seconds} seconds`
  const minutes = Math.ceil(seconds / 60)
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}

/** Heights in a field of 240 by 60, one bar an hour. */
function bars(numbers: readonly number[]): readonly { x: number; y: number; height: number }[] {
  const most = Math.max(1, ...numbers)
  return numbers.map((number, index) => {
    const height = number === 0 ? 0 : Math.max(2, Math.round((number / most) * 56))
    return { x: index * 10 + 1, y: 60 - height, height }
  })
}
