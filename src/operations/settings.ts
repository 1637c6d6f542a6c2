import { parse } from 'yaml'
import { z } from 'zod'
import { type Address, AddressRangeError, AddressRanges, parseAddress } from '../access/client-address.js'
import type { SettingOutcome, SettingView } from '../identity/settings.js'
import { type Actor, defineOperation, Refusal, refuse } from './operation.js'
import type { DeskRooms } from './rooms.js'

const settingView = z.object({
  key: z.string(),
  value: z.unknown().describe('As the file would have it.'),
  origin: z.enum(['store', 'yaml', 'default']),
  locked: z.boolean().describe('The file forbids anything else than what it says.'),
  line: z.int().optional().describe('Of the value in the file, where the file has one.'),
  inFile: z.unknown().describe('What holds without the store.'),
  ignored: z
    .object({ value: z.unknown(), reason: z.enum(['locked', 'unreadable']) })
    .optional()
    .describe('What stands in the store and does not count, and why.'),
  changedBy: z.string().optional(),
  changedAt: z.iso.datetime().optional(),
})

export type SettingEntry = z.output<typeof settingView>

const settingChange = settingView.extend({
  changed: z.boolean().describe('Whether it was something else before.'),
  before: z.unknown().describe('What held until now.'),
})

export type SettingChange = z.output<typeof settingChange>

const key = z.string().min(1).max(100)
const value = z.string().max(8000).describe('As in the file: YAML, or JSON, which is YAML as well.')

export const showSettings = defineOperation({
  name: 'settings.show',
  summary: 'settings that change while everything runs, and where each comes from',
  may: 'owner',
  input: z.strictObject({}),
  output: z.object({ items: z.array(settingView) }),
  doors: { page: '/settings', api: 'GET /settings', commandLine: 'settings show' },
  async run({ rooms }) {
    await rooms.settings.fresh()
    return { items: rooms.settings.describe().map(viewOf) }
  },
})

export const setSetting = defineOperation({
  name: 'settings.set',
  summary: 'change a setting, for every gateway on this store, without a restart',
  may: 'owner',
  fresh: true,
  event: 'policy.changed',
  writesItself: true,
  input: z.strictObject({ key, value }),
  output: settingChange,
  doors: { page: '/settings', api: 'PUT /settings/{key}', commandLine: 'settings set' },
  async run({ rooms, input, by }) {
    return (await lockOut(rooms, input, by)) ?? outcome(await rooms.settings.set(input.key, input.value, author(by)))
  },
})

export const unsetSetting = defineOperation({
  name: 'settings.unset',
  summary: 'let the file say again what holds',
  may: 'owner',
  fresh: true,
  event: 'policy.changed',
  writesItself: true,
  input: z.strictObject({ key }),
  output: settingChange,
  doors: { page: '/settings', api: 'DELETE /settings/{key}', commandLine: 'settings unset' },
  async run({ rooms, input: { key }, by }) {
    const inFile = rooms.settings.describe().find((setting) => setting.key === key)?.inFile
    const then = inFile === undefined ? undefined : { key, value: JSON.stringify(inFile) }
    return (then && (await lockOut(rooms, then, by))) ?? outcome(await rooms.settings.unset(key, author(by)))
  },
})

const preview = z.object({
  what: z.string().describe('What is counted.'),
  looked: z.int(),
  isMore: z.boolean().describe('There are more than were looked at.'),
  affected: z.int(),
  examples: z.array(z.string()).describe('Usernames, twenty at most.'),
})

export const previewSetting = defineOperation({
  name: 'settings.preview',
  summary: 'whom a change of a setting would touch, among those that can be looked at quickly',
  may: 'owner',
  input: z.strictObject({ key, value }),
  output: preview,
  doors: {
    page: '/settings',
    api: 'GET /settings/{key}/preview',
    commandLine: 'settings preview',
  },
  async run({ rooms, input: { key, value } }) {
    if (key === 'secondFactor.required' || key === 'secondFactor.unenrolled') return withoutFactor(rooms)
    if (key === 'session.duration' || key === 'session.idle') return endedBy(rooms, value)
    if (key === 'networks') return barredBy(rooms, value)
    return refuse(`There is no such setting: ${key}.`)
  },
})

export type Preview = z.output<typeof preview>

/** More takes longer than a page may. */
const LOOKED = 2000
const EXAMPLES = 20

async function withoutFactor({ accounts }: DeskRooms): Promise<Preview> {
  const page = await accounts.list({ limit: LOOKED + 1 })
  const looked = page.slice(0, LOOKED).filter(({ role, status }) => role !== 'api' && status === 'active')
  const affected = looked.filter(({ enrolled }) => enrolled.length === 0)
  return {
    what: 'users who signed in before and have no second factor',
    looked: looked.length,
    isMore: page.length > LOOKED,
    affected: affected.length,
    examples: affected.slice(0, EXAMPLES).map(({ username }) => username),
  }
}

async function endedBy(rooms: DeskRooms, value: string): Promise<Preview | Refusal> {
  const seconds = durationOf(value)
  if (seconds === undefined) return refuse(`"${value}" is no time: it is written as in 12h or 90d.`)
  const what = 'open sessions that would end at once'
  return overSessions(rooms, what, ({ openedAt }) => rooms.now() >= openedAt + seconds * 1000)
}

async function barredBy(rooms: DeskRooms, value: string): Promise<Preview | Refusal> {
  const networks = networksOf(value)
  if (networks === undefined)
    return refuse('This is no list of networks, as in [{ range: [10.0.0.0/8], access: deny }].')
  const what = 'open sessions from where nothing could be reached any more'
  return overSessions(rooms, what, ({ client }) => isBarred(networks, parseAddress(client)))
}

async function overSessions(
  { sessions }: DeskRooms,
  what: string,
  isAffected: (session: { readonly openedAt: number; readonly client: string }) => boolean,
): Promise<Preview> {
  const names: string[] = []
  let looked = 0
  let affected = 0
  for await (const { session, account } of sessions.list()) {
    if (looked === LOOKED) return { what, looked, isMore: true, affected, examples: names }
    looked += 1
    if (!isAffected(session)) continue
    affected += 1
    if (names.length < EXAMPLES && !names.includes(account.username)) names.push(account.username)
  }
  return { what, looked, isMore: false, affected, examples: names }
}

/** A change by which whoever makes it, or every owner, could do nothing about it any more. */
async function lockOut(
  rooms: DeskRooms,
  { key, value }: { readonly key: string; readonly value: string },
  { client }: Actor,
): Promise<Refusal | undefined> {
  if (key === 'networks' && client !== undefined) {
    const networks = networksOf(value)
    if (networks !== undefined && isBarred(networks, parseAddress(client.address))) {
      return refuse('This would lock you out: from where you are nothing could be reached any more.')
    }
  }
  const word = wordIn(value)
  const required = key === 'secondFactor.required' ? word : rooms.settings.required
  const unenrolled = key === 'secondFactor.unenrolled' ? word : rooms.settings.unenrolled
  if (required !== 'everyone' || unenrolled !== 'recovery-code') return undefined
  const owners = await rooms.accounts.owners.list()
  if (owners.length === 0 || owners.some(({ enrolled }) => enrolled.length > 0)) return undefined
  return refuse('This would lock every owner out: no owner has a second factor. Set one up first.')
}

/** As the gateway will read it, in quotes or not. */
function wordIn(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

interface Network {
  readonly ranges: AddressRanges
  readonly access: unknown
}

/** `undefined`: the gateway will say what is wrong with it. */
function networksOf(text: string): readonly Network[] | undefined {
  try {
    const list: unknown = parse(text)
    if (!Array.isArray(list)) return undefined
    return list.map((entry: { range?: unknown; access?: unknown }) => ({
      ranges: AddressRanges.parse([entry.range].flat().map(String)),
      access: entry.access,
    }))
  } catch (error) {
    if (error instanceof AddressRangeError || error instanceof Error) return undefined
    throw error
  }
}

/** The first that fits decides; where there is a list of who may come, whoever is on no list may not. */
function isBarred(networks: readonly Network[], address: Address | undefined): boolean {
  if (address === undefined) return networks.some(({ access }) => access === 'deny')
  const first = networks.find(({ ranges }) => ranges.has(address))
  if (first?.access === 'deny') return true
  const allowed = networks.filter(({ access }) => access === 'allow')
  return allowed.length > 0 && !allowed.some(({ ranges }) => ranges.has(address))
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

function durationOf(text: string): number | undefined {
  if (text === 'off') return Number.POSITIVE_INFINITY
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? []
  return count === undefined ? undefined : Number(count) * (units[unit] ?? 1)
}

function author({ account, client, door }: Actor) {
  return { name: account?.username ?? door, ...(client === undefined ? {} : { client }) }
}

function outcome(result: SettingOutcome): SettingChange | Refusal {
  if (result.outcome !== 'refused') {
    const { outcome, setting, before } = result
    return { ...viewOf(setting), changed: outcome === 'changed', before: before.value }
  }
  if (result.reason === 'invalid') {
    return new Refusal('operation.input', result.problems.map(({ text }) => text).join('\n\n'), { reason: 'invalid' })
  }
  return refuse(result.sentence, result.reason)
}

function viewOf({
  key,
  value,
  origin,
  locked,
  line,
  inFile,
  ignored,
  changedBy,
  changedAt,
}: SettingView): SettingEntry {
  return {
    key,
    value,
    origin,
    locked,
    ...(line === undefined ? {} : { line }),
    inFile,
    ...(ignored === undefined ? {} : { ignored }),
    ...(changedBy === undefined ? {} : { changedBy }),
    ...(changedAt === undefined ? {} : { changedAt: new Date(changedAt).toISOString() }),
  }
}
