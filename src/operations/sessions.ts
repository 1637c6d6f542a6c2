import { z } from 'zod'
import { AddressRangeError, AddressRanges } from '../access/client-address.js'
import { hostsOf } from '../identity/sessions/branches.js'
import type { OpenSession } from '../identity/sessions/sessions.js'
import { type Context, defineOperation, Refusal, refuse } from './operation.js'
import { userName } from './users/view.js'

export const sessionView = z.object({
  username: z.string(),
  session: z.string().describe('The beginning of its hash, as in the audit.'),
  openedAt: z.iso.datetime(),
  via: z.array(z.string()).describe('What it was opened with, in order.'),
  address: z.string(),
  site: z.string().optional(),
  hosts: z.array(z.string()).describe('Hosts it was carried to from the portal, in the order it came there.'),
  userAgent: z.string(),
})

export const listSessions = defineOperation({
  name: 'session.list',
  summary: 'what opens something now',
  may: 'support',
  input: z.strictObject({
    user: userName.optional(),
    limit: z.int().min(1).max(1000).default(100).describe('How many at most.'),
  }),
  output: z.object({ items: z.array(sessionView) }),
  doors: { page: '/users/:user', api: 'GET /sessions', commandLine: 'sessions list' },
  async run(context) {
    const { services, input } = context
    const items: z.output<typeof sessionView>[] = []
    for await (const open of services.sessions.list(input.user === undefined ? undefined : context.known.user.id)) {
      items.push(viewOf(open))
      if (items.length >= input.limit) break
    }
    return { items }
  },
})

export const endSessions = defineOperation({
  name: 'session.end',
  summary: 'one user signs in again, everywhere: sessions, remembered devices, links that were sent',
  may: 'support',
  event: 'admin.sessions-ended',
  consequence: (whom) =>
    `${whom} is signed out in every browser and has to give password and code again; links that were sent no longer work.`,
  input: z.strictObject({ user: userName }),
  output: z.object({ username: z.string() }),
  doors: { page: '/users/:user', api: 'POST /users/{user}/end-sessions', commandLine: 'sessions end' },
  async run({ services, target: { user }, by: { client }, write }) {
    await write()
    await services.sessions.endAll(user.id, client === undefined ? {} : { client })
    return { username: user.username }
  },
})

const day = 24 * 60 * 60

const scope = {
  all: z.boolean().optional().describe('Everybody’s: to be said, so that nothing left out ends everything.'),
  user: userName.optional(),
  group: z.string().min(1).max(64).optional().describe('Of users who were in it when they signed in.'),
  site: z.string().min(1).max(253).optional().describe('Host of the site they were opened on.'),
  network: z.string().min(1).max(64).optional().describe('Where they were opened from, as in 203.0.113.0/24.'),
  olderThanDays: z.number().min(0).max(400).optional().describe('Only those begun that long ago or longer.'),
}

const clearInput = z.strictObject({
  ...scope,
  devices: z.boolean().default(false).describe('Remembered devices as well: a code is asked for again.'),
  tokens: z.boolean().default(false).describe('Application tokens as well: programs stop.'),
})

const clearOutput = z.object({ scope: z.string(), devices: z.boolean(), tokens: z.boolean() })

export const clearSessions = defineOperation({
  name: 'session.clear',
  summary: 'end sessions of a user, a group, a site, a network, of an age, or of everybody',
  may: 'owner',
  fresh: true,
  event: 'admin.sessions-cleared',
  input: clearInput,
  output: clearOutput,
  doors: { page: '/sessions/clear', api: 'POST /sessions/clear', commandLine: 'sessions clear' },
  async run(context) {
    const { all, user, group, site, network, olderThanDays } = context.input
    const said = Object.entries({ group, site, network, olderThanDays }).filter(([, value]) => value !== undefined)
    if (all !== true && user === undefined && said.length === 0) {
      return refuse('Say whose sessions are meant, or that all are.')
    }
    if (all === true && (user !== undefined || said.length > 0)) {
      return refuse('All sessions, or some: not both.')
    }
    if (user !== undefined && said.length > 0) {
      return refuse('One user’s sessions, or those of a kind: not both.')
    }
    if (all === true) return clearAll(context)
    return user === undefined ? clearSome(context) : clearOne(context)
  },
})

type ClearContext = Context<z.output<typeof clearInput>>
type Cleared = z.output<typeof clearOutput>

async function clearAll({ services, input: { devices, tokens }, by, write }: ClearContext): Promise<Cleared> {
  await write({ details: { scope: 'all', devices, tokens } })
  // First the devices: between the two nobody is to get in by one that is about to go.
  if (devices) await services.devices.clear(by.client)
  await services.sessions.clear(by.client)
  if (tokens) await services.tokens.revokeAll(undefined, by.account?.username ?? by.door)
  return { scope: 'all', devices, tokens }
}

async function clearOne({ services, input, target, by, write }: ClearContext): Promise<Cleared> {
  const { devices, tokens } = input
  const { id, username } = target.user
  await write({ details: { scope: 'user', devices, tokens } })
  if (devices) await services.devices.revokeAll(id, { client: by.client })
  await services.sessions.clearOf(id)
  if (tokens) await services.tokens.revokeAll(id, by.account?.username ?? by.door)
  return { scope: username, devices, tokens }
}

async function clearSome({ services, input, write, fail }: ClearContext): Promise<Cleared | Refusal> {
  const { group, site, network, olderThanDays, devices, tokens } = input
  if (network !== undefined && !isNetwork(network)) {
    const sentence = `"${network}" is not a network like 203.0.113.0/24`
    return new Refusal('operation.input', sentence, { faults: [{ field: 'network', sentence }] })
  }
  if (tokens) return refuse('Tokens are not of a group, a site or an age: revoke them by user, or all.')
  const parts = {
    ...(group === undefined ? {} : { group }),
    ...(site === undefined ? {} : { site: site.toLowerCase() }),
    ...(network === undefined ? {} : { network }),
  }
  await write({ details: { ...parts, ...(olderThanDays === undefined ? {} : { olderThanDays }), devices } })
  const begunBefore = olderThanDays === undefined ? undefined : services.now() - olderThanDays * day * 1000
  const rule = { ...parts, ...(begunBefore === undefined ? {} : { begunBefore }) }
  if (!(await services.sessions.clearSome(rule, { devices }))) {
    await fail('too-many-rules')
    return refuse('Too many parts were cleared already: clear all sessions.')
  }
  const words = Object.entries({ ...parts, ...(olderThanDays === undefined ? {} : { olderThanDays }) })
  return { scope: words.map(([name, value]) => `${name} ${value}`).join(', '), devices, tokens }
}

function isNetwork(text: string): boolean {
  try {
    AddressRanges.parse([text])
    return text.includes('/')
  } catch (error) {
    if (error instanceof AddressRangeError) return false
    throw error
  }
}

function viewOf({ session, account }: OpenSession): z.output<typeof sessionView> {
  return {
    username: account.username,
    session: session.id.slice(0, 8),
    openedAt: new Date(session.openedAt).toISOString(),
    via: [...session.via],
    address: session.client,
    ...(session.site === undefined ? {} : { site: session.site }),
    hosts: [...hostsOf(session.branches)],
    userAgent: session.userAgent,
  }
}
