import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import { OTHERS } from '../../../operations/dashboard/daily-counts.js'
import { showDashboard as lookAtDay } from '../../../operations/dashboard/dashboard.js'
import { counted } from '../../../operations/dashboard/day-counts.js'
import type { DependencyView } from '../../../operations/installation/health.js'
import { listLocks } from '../../../operations/locks.js'
import { showSending } from '../../../operations/messages.js'
import type { PagesParts } from '../parts.js'
import type { Visit } from '../visit.js'
import { barsOf } from './charts/bars.js'
import { compared, type Period, rowsOf } from './charts/compared.js'
import { ask, deskData, requireAdmin } from './require-admin.js'
import { userPage } from './user-page.js'
import { spokenWait } from './words/spoken-wait.js'
import { wayIn, waysIn } from './words/ways-in.js'
import { when as whenWas } from './words/when.js'

/** A day, a week or a month at a glance: bars drawn here, and their numbers as tables. */
export async function showDashboard(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, '/admin')
  if (open === undefined) return elsewhere
  const period = periodOf(visit.parameter('period'))
  const result = await ask(visit, lookAtDay, { period }, { by, page: '/admin' })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { hours, days, total, before, dependencies, advice, sending, isFirst, ...rest } = result.done
  const { secondFactors, desk } = visit.parts
  const { sendsMail } = desk.services.messages
  const label = (use: string) => secondFactors.get(use)?.label ?? use
  const slots =
    period === 'day'
      ? hours.map(({ from, ...counts }) => ({ name: `${from.slice(11, 13)}:00`, ...counts }))
      : days.map(({ day, ...counts }) => ({ name: day, ...counts }))
  const longer = period === 'day' ? 'week' : period
  return visit.page('admin', {
    ...deskData(visit, by),
    advice,
    first: isFirst
      ? { add: visit.own('/admin/users/new'), test: sendsMail ? visit.own('/admin/sending') : undefined }
      : undefined,
    period,
    longer,
    periods: (['day', 'week', 'month'] as const).map((name) => ({
      name,
      address: name === 'day' ? visit.own('/admin') : `${visit.own('/admin')}?period=${name}`,
    })),
    charts: counted.map((what) => ({
      what,
      total: total[what],
      compared: compared(total[what], before[what], period),
      bars: barsOf(slots.map((slot) => ({ name: slot.name, value: slot[what] }))),
    })),
    slots,
    signIns: rowsOf(rest.signIns, (name) => upperFirst(waysIn(name.split('+'), label))),
    wrong: rowsOf(rest.wrong, (name) => upperFirst(wayIn(name, label))),
    rules: rowsOf(rest.rules, ruleInWords),
    ...factorData(
      rest.factors,
      days.map(({ day }) => day),
      label,
      (name) => visit.own(userPage(name)),
    ),
    ...messageData(rest.messages, longer),
    ...sentData(sending),
    dependencies: dependencies.map((one) => dependencyData(one, secondFactors, visit.parts.desk.services.now())),
  })
}

function periodOf(word: string): Period {
  return word === 'week' || word === 'month' ? word : 'day'
}

type Day = z.output<typeof lookAtDay.output>

/** How many have a second factor, over the days that were counted, and who has none. */
function factorData(
  { now, days, isMore, missing, added, gone }: Day['factors'],
  dates: readonly string[],
  label: (use: string) => string,
  address: (name: string) => string,
): object {
  const percent = (part: number, of: number) => (of === 0 ? 0 : Math.round((part / of) * 100))
  // Everybody, where they were counted today; else those that could be looked at quickly.
  const newest = days.at(-1)
  const latest = isMore && newest !== undefined ? newest : now
  const uses = new Set([...Object.keys(latest.methods), ...[...added, ...gone].map(({ name }) => name)])
  const changes = (counts: Day['signIns'], use: string) => counts.find(({ name }) => name === use)?.count ?? 0
  return {
    factors: {
      users: latest.users,
      withFactor: latest.withFactor,
      percent: percent(latest.withFactor, latest.users),
      isPart: isMore && newest === undefined,
      bars: barsOf(
        dates.map((date) => {
          const day = days.find((one) => one.day === date)
          const share = day === undefined ? 0 : percent(day.withFactor, day.users)
          return { name: date, value: share, says: day === undefined ? 'not counted' : `${share} %` }
        }),
        100,
      ),
      days: days.map((day) => ({ ...day, percent: percent(day.withFactor, day.users) })),
      methods: [...uses].sort().map((use) => ({
        words: use === 'reset' ? 'All, by a reset' : label(use),
        users: latest.methods[use] ?? 0,
        added: changes(added, use),
        gone: changes(gone, use),
      })),
      missing: missing.map((name) => ({ name, address: address(name) })),
      missingCount: latest.users - latest.withFactor,
    },
  }
}

/** What was sent by the day, and what it cost. */
function messageData({ days, sms, email }: Day['messages'], period: Period): object {
  const of = (channel: 'sms' | 'email', { sent, before, cost, costBefore }: Day['messages']['sms']) => ({
    sent,
    compared: compared(sent, before, period),
    cost: cost && spokenMoney(cost),
    costBefore: costBefore && spokenMoney(costBefore),
    bars: barsOf(days.map((day) => ({ name: day.day, value: day[channel] }))),
  })
  return { messages: { days, sms: of('sms', sms), email: of('email', email) } }
}

/** As in `crm.example.com/wiki, line 12`. */
function ruleInWords(name: string): string {
  if (name === OTHERS) return 'Others'
  return name
    .replace(/^\*/, 'Any host')
    .replace(/\/?(?: (line \d+))?$/, (_, line) => (line === undefined ? '' : `, ${line}`))
}

function upperFirst(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
}

export async function showLocks(visit: Visit): Promise<FastifyReply> {
  const page = '/admin/locks'
  const { open, by, elsewhere } = await requireAdmin(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, listLocks, {}, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const locks = result.done.items.map(({ secondsLeft, ...lock }) => ({
    ...lock,
    wait: secondsLeft === undefined ? undefined : spokenWait(secondsLeft),
    address: lock.id === undefined ? undefined : visit.own(userPage(lock.id)),
  }))
  return visit.page('admin-locks', { ...deskData(visit, by), locks })
}

export async function showSent(visit: Visit): Promise<FastifyReply> {
  const page = '/admin/sending'
  const { open, by, elsewhere } = await requireAdmin(visit, page)
  if (open === undefined) return elsewhere
  const result = await ask(visit, showSending, {}, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { messages, secondFactors } = visit.parts.desk.services
  const ways = { sendsMail: messages.sendsMail, sendsSms: secondFactors.has('sms') }
  return visit.page('admin-sending', { ...deskData(visit, by), ...sentData(result.done), ...ways })
}

/** In words: what it is called, and what is known of it. */
function dependencyData(one: DependencyView, methods: PagesParts['secondFactors'], now: number): object {
  const { kind, name, isUp, reason } = one
  const rest = name.slice(name.indexOf(' ') + 1)
  const labels: Readonly<Record<DependencyView['kind'], string>> = {
    store: 'The store',
    users: name === rest ? 'The user directory' : `The user directory ${rest}`,
    upstream: `The application at ${rest === '*' ? 'any host' : rest}`,
    messages: name === 'mail' ? 'The mail server' : `Codes by ${(methods.get(name)?.label ?? name).toLowerCase()}`,
    'audit-out': rest === 'owner-mails' ? 'Mails to owners' : `The audit's way out to ${rest}`,
  }
  const when = (iso: string | undefined) => (iso === undefined ? undefined : whenWas(Date.parse(iso), now))
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
