import { z } from 'zod'
import { AddressRangeError, AddressRanges } from '../../access/client-address.js'
import type { User } from '../../contracts.js'
import { defineOperation, refuse } from '../operation.js'
import type { DeskRooms } from '../rooms.js'
import { userName, userView, viewOf } from './view.js'

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
  async run({ rooms, input: { required }, target, write }) {
    await write({ details: { what: 'required', required } })
    tell(
      rooms,
      target.user,
      required ? 'a second step is required of you from now on' : 'a second step is no longer required of you',
    )
    return viewOf(target.user, await rooms.accounts.require(target.user.id, required))
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
  async run({ rooms, input: { reason, sites, networks, until }, target, write }) {
    const ends = until === undefined ? undefined : Date.parse(until) + (until.includes('T') ? 0 : DAY_MS)
    if (ends !== undefined && ends <= rooms.now()) return refuse('That moment is over already.')
    const exemption = {
      reason,
      ...(sites === undefined || sites.length === 0 ? {} : { sites: sites.map((site) => site.toLowerCase()) }),
      ...(networks === undefined || networks.length === 0 ? {} : { networks }),
      ...(ends === undefined ? {} : { until: ends }),
    }
    const end = ends === undefined ? {} : { until: new Date(ends).toISOString() }
    await write({ details: { what: 'exemption', ...exemption, ...end } })
    tell(rooms, target.user, 'you are exempt from the second step')
    return viewOf(target.user, await rooms.accounts.exempt(target.user.id, exemption))
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
  async run({ rooms, target, write }) {
    await write({ details: { what: 'exemption', off: true } })
    tell(rooms, target.user, 'your exemption from the second step has ended')
    return viewOf(target.user, await rooms.accounts.exempt(target.user.id, undefined))
  },
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
  async run({ rooms, input: { addresses }, target, write }) {
    await write({ details: { what: 'addresses', ...(addresses.length === 0 ? { any: true } : { addresses }) } })
    tell(rooms, target.user, 'the networks you can use your account from')
    const only = addresses.length === 0 ? undefined : addresses
    return viewOf(target.user, await rooms.accounts.limitAddresses(target.user.id, only))
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
  async run({ rooms, input: { off, on }, target, write }) {
    const unknown = [...off, ...on].find((use) => !rooms.secondFactors.has(use))
    if (unknown !== undefined) {
      return refuse(`There is no method "${unknown}": there are ${[...rooms.secondFactors.keys()].join(', ')}.`)
    }
    await write({ details: { what: 'methods', off, on } })
    tell(rooms, target.user, 'the second steps you can use')
    return viewOf(target.user, await rooms.accounts.switchMethods(target.user.id, { off, on }))
  },
})

/** Told after "This was changed on your account:". */
function tell({ notices }: DeskRooms, user: User, what: string): void {
  notices.tell('account-changed', { user, values: { what } })
}

const DAY_MS = 24 * 60 * 60_000
