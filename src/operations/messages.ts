import { z } from 'zod'
import type { SecondFactor } from '../contracts.js'
import { defineOperation, refuse } from './operation.js'

export const money = z.object({ amount: z.number(), currency: z.string() })

export const spent = z.object({
  sent: z.int(),
  perDay: z.int(),
  cost: money.optional().describe('By the prices in the file; left out where there are none.'),
})

export const showSending = defineOperation({
  name: 'sending.show',
  summary: 'what was sent today, and how much may be sent in a day',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({ sms: spent, email: spent }),
  doors: {
    page: '/sending',
    api: 'GET /sending',
    commandLine: { none: 'The limits stand in the file, and what was sent in the metrics.' },
  },
  run: ({ services }) => services.messages.budget.today(),
})

export const sendTest = defineOperation({
  name: 'sending.test',
  summary: 'a message to oneself, to see whether messages arrive',
  may: 'owner',
  event: 'admin.test-message',
  input: z.strictObject({ channel: z.enum(['sms', 'email']) }),
  output: z.object({ channel: z.enum(['sms', 'email']), to: z.string() }),
  doors: {
    page: '/sending',
    api: 'POST /sending/test',
    commandLine: { none: 'Nobody at the command line has an address it could go to; doctor asks the mail server.' },
  },
  async run({ services, input: { channel }, by, write, fail }) {
    await write({ details: { channel } })
    const [user] = by.account === undefined ? [] : await services.directory.find({ id: by.account.id })
    if (user === undefined) return refuse('Nobody here has an address it could go to.')
    const factor = channel === 'sms' ? smsOf(services.secondFactors) : undefined
    const to = channel === 'sms' ? factor?.address(user) : user.email
    if (to === undefined)
      return refuse(`No ${channel === 'sms' ? 'number' : 'mail address'} of yours that it could go to is on file.`)
    const network = by.client?.network ?? 'unknown'
    const over = await services.messages.budget.spend({ channel, purpose: 'code', accountId: user.id, to, network })
    if (over !== undefined) {
      await fail(`over-${over.limit}`)
      return refuse('A limit stops it. Try again later.', over.limit)
    }
    if (channel === 'sms') {
      const text = 'This is a test message. Messages by this way arrive.'
      const sent = await factor?.send({ to, subject: '', text }).then(
        () => true,
        () => false,
      )
      return sent ? { channel, to } : refuse('The provider did not take it: see the log.')
    }
    const message = { title: 'Test message', text: 'Messages by this way arrive.', copies: [], user, path: '' }
    const sent = await services.messages.supportMessage(message)
    return sent.user ? { channel, to } : refuse('The mail server did not take it: see the log.')
  },
})

function smsOf(factors: ReadonlyMap<string, SecondFactor>) {
  const factor = factors.get('sms')
  return factor !== undefined && 'sends' in factor ? factor : undefined
}
