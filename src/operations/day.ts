import { z } from 'zod'
import { DayCounts } from './day-counts.js'
import { dependencyView, lookAtHealth } from './health.js'
import { spent } from './messages.js'
import { defineOperation } from './operation.js'

const numbers = { signIns: z.int(), refusals: z.int(), codes: z.int(), locks: z.int() }

export const showDay = defineOperation({
  name: 'day.show',
  summary: 'the last 24 hours in numbers, what was sent today, and whether everything that is needed answers',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({
    hours: z.array(z.object({ from: z.iso.datetime(), ...numbers })),
    total: z.object(numbers),
    sending: z.object({ sms: spent, email: spent }).describe('Today in UTC, of the whole-day budgets.'),
    dependencies: z.array(dependencyView),
  }),
  doors: {
    page: '/',
    api: 'GET /day',
    commandLine: {
      none: 'The numbers are for people at a page and for programs; on the machine there are metrics and doctor.',
    },
  },
  async run({ rooms }) {
    const [hours, sending, dependencies] = await Promise.all([
      new DayCounts(rooms).day(),
      rooms.messages.budget.today(),
      lookAtHealth(rooms),
    ])
    const sum = (what: keyof typeof numbers) => hours.reduce((total, hour) => total + hour[what], 0)
    return {
      hours: hours.map(({ from, ...counts }) => ({ from: new Date(from).toISOString(), ...counts })),
      total: { signIns: sum('signIns'), refusals: sum('refusals'), codes: sum('codes'), locks: sum('locks') },
      sending,
      dependencies: [...dependencies],
    }
  },
})
