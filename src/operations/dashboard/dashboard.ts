import { z } from 'zod'
import type { Money } from '../../messages/prices.js'
import type { Spent } from '../../messages/sending-budget.js'
import { adviceOn, adviceView } from '../installation/advice.js'
import { dependencyView, lookAtHealth } from '../installation/health.js'
import { money, spent } from '../messages.js'
import { defineOperation } from '../operation.js'
import type { Services } from '../services.js'
import { Adoption } from './adoption.js'
import { type DailyCount, DailyCounts, type DailyKind } from './daily-counts.js'
import { type Counted, counted, DayCounts } from './day-counts.js'

const numbers = { signIns: z.int(), refusals: z.int(), codes: z.int(), locks: z.int() }

/** Days each stretch of time has. What is counted by the day alone is shown for a week beside the 24 hours. */
export const periods = { day: 1, week: 7, month: 30 } as const

const adoptionNumbers = {
  users: z.int(),
  withFactor: z.int(),
  methods: z.record(z.string(), z.int()).describe('How many have each method, as YAML calls them.'),
}

const list = z
  .array(z.object({ name: z.string(), count: z.int(), before: z.int() }))
  .describe('The most frequent first; `before`: in the stretch of the same length before.')

const messages = z.object({
  sent: z.int(),
  before: z.int(),
  cost: money.optional(),
  costBefore: money.optional(),
})

export const showDashboard = defineOperation({
  name: 'day.show',
  summary:
    'a day, a week or a month in numbers beside those before, what was sent, and whether everything that is needed answers',
  may: 'support',
  input: z.strictObject({
    period: z.enum(['day', 'week', 'month']).default('day').describe('The last 24 hours, 7 days or 30 days.'),
  }),
  output: z.object({
    hours: z.array(z.object({ from: z.iso.datetime(), ...numbers })).describe('The last 24, whatever the period.'),
    days: z.array(z.object({ day: z.iso.date(), ...numbers })).describe('Of the period, in UTC: a week for a day.'),
    total: z.object(numbers).describe('Of the period.'),
    before: z.object(numbers).describe('Of the week or month before; for a day, of the same hours a week before.'),
    signIns: list.describe('What sessions were opened with, as in password+totp, over the days.'),
    wrong: list.describe('Answers that were wrong, by what was asked.'),
    rules: list.describe(
      'Refusals by site and line of the rule in the file. Of a flood, as many as were written down.',
    ),
    factors: z
      .object({
        added: list,
        gone: list,
        days: z.array(z.object({ day: z.iso.date(), ...adoptionNumbers })).describe('As counted once a day.'),
        now: z.object(adoptionNumbers).describe('Of the first two hundred by name.'),
        isMore: z.boolean().describe('There are more than those.'),
        missing: z.array(z.string()).describe('Usernames, ten at most: active, and without a second factor.'),
      })
      .describe('Second factors, and how many have one.'),
    sending: z.object({ sms: spent, email: spent }).describe('Today in UTC, of the whole-day budgets.'),
    messages: z.object({
      days: z.array(z.object({ day: z.iso.date(), sms: z.int(), email: z.int() })),
      sms: messages,
      email: messages,
    }),
    dependencies: z.array(dependencyView),
    isFirst: z.boolean().describe('Whether the one account there is belongs to whoever looks.'),
    advice: z.array(adviceView).describe('What is less safe here than it may look.'),
  }),
  doors: {
    page: '/',
    api: 'GET /day',
    commandLine: {
      none: 'The numbers are for people at a page and for programs; on the machine there are metrics and doctor.',
    },
  },
  async run({ services, input: { period } }) {
    const long = Math.max(periods[period], periods.week)
    const hourly = new DayCounts(services)
    const [hours, weekAgo, daily, adoption, sent, dependencies, advice, isFirst] = await Promise.all([
      hourly.day(),
      hourly.day(7),
      new DailyCounts(services).last(long),
      new Adoption(services).last(long),
      sentIn(services, long),
      lookAtHealth(services),
      adviceOn(services),
      isAlone(services),
    ])
    const of = (kind: DailyKind) => listOf(daily.counts, kind)
    const ofTotal = (what: Counted) => daily.counts.find(({ kind, name }) => kind === 'total' && name === what)
    const isDay = period === 'day'
    return {
      hours: hours.map(({ from, ...counts }) => ({ from: new Date(from).toISOString(), ...counts })),
      days: daily.days.map(({ day, totals }) => ({ day, ...each((what) => totals[what] ?? 0) })),
      total: each((what) => (isDay ? sum(hours, what) : (ofTotal(what)?.count ?? 0))),
      before: each((what) => (isDay ? sum(weekAgo, what) : (ofTotal(what)?.before ?? 0))),
      signIns: of('way'),
      wrong: of('wrong'),
      rules: of('rule').slice(0, MOST_RULES),
      factors: {
        added: of('added'),
        gone: of('gone'),
        ...adoption,
        days: [...adoption.days],
        missing: [...adoption.missing],
      },
      ...sent,
      dependencies: [...dependencies],
      isFirst,
      advice: [...advice],
    }
  },
})

const MOST_RULES = 20
const DAY_MS = 24 * 60 * 60_000

function each(number: (what: Counted) => number): Record<Counted, number> {
  return Object.fromEntries(counted.map((what) => [what, number(what)])) as Record<Counted, number>
}

function sum(hours: ReadonlyArray<Readonly<Record<Counted, number>>>, what: Counted): number {
  return hours.reduce((total, hour) => total + hour[what], 0)
}

function listOf(counts: readonly DailyCount[], wanted: DailyKind) {
  return counts.filter(({ kind }) => kind === wanted).map(({ name, count, before }) => ({ name, count, before }))
}

/** What was sent over the last days, with the days before to compare with. */
async function sentIn({ messages: { budget }, now }: Services, days: number) {
  const dates = Array.from({ length: 2 * days }, (_, index) =>
    new Date(now() - (2 * days - 1 - index) * DAY_MS).toISOString().slice(0, 10),
  )
  const all = await Promise.all(dates.map((day) => budget.on(day)))
  const [earlier, later] = [all.slice(0, days), all.slice(days)]
  const today = later.at(-1) ?? (await budget.today())
  const channel = (which: 'sms' | 'email') => {
    const [sent, before] = [later, earlier].map((some) => together(some.map((one) => one[which])))
    return {
      sent: sent?.sent ?? 0,
      before: before?.sent ?? 0,
      ...(sent?.cost && before?.cost ? { cost: sent.cost, costBefore: before.cost } : {}),
    }
  }
  return {
    sending: today,
    messages: {
      days: later.map(({ sms, email }, index) => ({
        day: dates[days + index] ?? '',
        sms: sms.sent,
        email: email.sent,
      })),
      sms: channel('sms'),
      email: channel('email'),
    },
  }
}

function together(all: readonly Spent[]): { readonly sent: number; readonly cost?: Money } {
  const sent = all.reduce((total, one) => total + one.sent, 0)
  const costs = all.flatMap(({ cost }) => (cost === undefined ? [] : [cost]))
  const [first] = costs
  if (first === undefined) return { sent }
  const amount = Math.round(costs.reduce((total, cost) => total + cost.amount, 0) * 10_000) / 10_000
  return { sent, cost: { amount, currency: first.currency } }
}

async function isAlone({ accounts }: Services): Promise<boolean> {
  let seen = 0
  for await (const _ of accounts.all()) {
    seen += 1
    if (seen > 1) return false
  }
  return true
}
