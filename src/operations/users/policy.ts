import { z } from 'zod'
import { AddressRangeError, AddressRanges } from '../../access/client-address.js'
import type { Account } from '../../identity/accounts/account.js'
import type { Accounts } from '../../identity/accounts/accounts.js'
import { withoutEmpty } from '../fields.js'
import { type Context, defineOperation, type Note, refuse } from '../operation.js'
import { type UserView, userName, userView, viewOf } from './view.js'

/** One network as the file writes it: `10.0.0.0/8`, `2001:db8::/32`. */
const network = z
  .string()
  .max(64)
  .superRefine((text, context) => {
    try {
      AddressRanges.parse([text])
    } catch (error) {
      if (!(error instanceof AddressRangeError)) throw error
      context.addIssue({ code: 'custom', message: `"${text}" is not a network like 10.0.0.0/8` })
    }
  })

/** A day counts to its end, in UTC. */
const moment = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()])
  .describe('A moment (ISO 8601), or a day, which counts to its end in UTC.')

export const requireSecondFactor = defineOperation({
  name: 'user.require',
  summary: 'require a second factor of one user, whatever the installation asks',
  may: 'owner',
  fresh: true,
  event: 'policy.changed',
  input: z.strictObject({ user: userName, required: z.boolean() }),
  output: userView,
  doors: { page: '/users/:user', api: 'PUT /users/{user}/required', commandLine: 'user require' },
  run(context) {
    const { required } = context.input
    return carryOut(context, {
      details: { what: 'required', required },
      told: required ? 'a second step is required of you from now on' : 'a second step is no longer required of you',
      change: (accounts, id) => accounts.require(id, required),
    })
  },
})

export const exemptUser = defineOperation({
  name: 'user.exempt',
  summary: 'let one user through without a second factor, with a reason',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'policy.changed',
  input: z.strictObject({
    user: userName,
    reason: z.string().trim().min(1, 'Say why: whoever finds it later has to know.').max(500),
    sites: z.array(z.string().min(1).max(253)).max(50).optional().describe('Hosts of sites; none: every site.'),
    networks: z.array(network).max(50).optional().describe('Networks it holds for; none: everywhere.'),
    until: moment.optional(),
  }),
  output: userView,
  doors: { page: '/users/:user', api: 'PUT /users/{user}/exemption', commandLine: 'user exempt' },
  async run(context) {
    const { reason, sites, networks, until } = context.input
    const ends = until === undefined ? undefined : Date.parse(until) + (until.includes('T') ? 0 : DAY_MS)
    if (ends !== undefined && ends <= context.services.now()) return refuse('That moment is over already.')
    const exemption = {
      reason,
      ...withoutEmpty({ sites: sites?.map((site) => site.toLowerCase()), networks }),
      ...(ends === undefined ? {} : { until: ends }),
    }
    const end = ends === undefined ? {} : { until: new Date(ends).toISOString() }
    return carryOut(context, {
      details: { what: 'exemption', ...exemption, ...end },
      told: 'you are exempt from the second step',
      change: (accounts, id) => accounts.exempt(id, exemption),
    })
  },
})

export const endExemption = defineOperation({
  name: 'user.end-exemption',
  summary: 'take an exemption back',
  may: 'owner',
  fresh: true,
  event: 'policy.changed',
  input: z.strictObject({ user: userName }),
  output: userView,
  doors: { page: '/users/:user', api: 'DELETE /users/{user}/exemption', commandLine: 'user exempt' },
  run: (context) =>
    carryOut(context, {
      details: { what: 'exemption', off: true },
      told: 'your exemption from the second step has ended',
      change: (accounts, id) => accounts.exempt(id, undefined),
    }),
})

export const limitAddresses = defineOperation({
  name: 'user.addresses',
  summary: 'the only networks one user may come from',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'policy.changed',
  input: z.strictObject({ user: userName, addresses: z.array(network).max(50).describe('None: any.') }),
  output: userView,
  doors: { page: '/users/:user', api: 'PUT /users/{user}/addresses', commandLine: 'user addresses' },
  run(context) {
    const only = context.input.addresses.length === 0 ? undefined : context.input.addresses
    return carryOut(context, {
      details: { what: 'addresses', ...(only === undefined ? { any: true } : { addresses: only }) },
      told: 'the networks you can use your account from',
      change: (accounts, id) => accounts.limitAddresses(id, only),
    })
  },
})

export const switchMethods = defineOperation({
  name: 'user.methods',
  summary: 'switch second factors off and on for one user, from the next sign-in on',
  may: 'owner',
  fresh: true,
  event: 'policy.changed',
  input: z.strictObject({
    user: userName,
    off: z.array(z.string().min(1).max(64)).max(50).default([]),
    on: z.array(z.string().min(1).max(64)).max(50).default([]),
  }),
  output: userView,
  doors: { page: '/users/:user', api: 'PUT /users/{user}/methods', commandLine: 'user methods' },
  async run(context) {
    const { off, on } = context.input
    const { secondFactors } = context.services
    const unknown = [...off, ...on].find((use) => !secondFactors.has(use))
    if (unknown !== undefined) {
      return refuse(`There is no method "${unknown}": there are ${[...secondFactors.keys()].join(', ')}.`)
    }
    return carryOut(context, {
      details: { what: 'methods', off, on },
      told: 'the second steps you can use',
      change: (accounts, id) => accounts.switchMethods(id, { off, on }),
    })
  },
})

/** What is ordered for one account. */
interface Order {
  readonly details: NonNullable<Note['details']>
  /** To the user, after "This was changed on your account:". */
  readonly told: string
  change(accounts: Accounts, id: string): Promise<Account | undefined>
}

/** Writes the order down, then carries it out and tells the user. */
async function carryOut({ services, target, write }: Context, { details, told, change }: Order): Promise<UserView> {
  const { user } = target
  await write({ details })
  services.notices.tell('account-changed', { user, values: { what: told } })
  return viewOf(user, await change(services.accounts, user.id))
}

const DAY_MS = 24 * 60 * 60_000
