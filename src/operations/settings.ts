import { z } from 'zod'
import { parseAddress } from '../access/client-address.js'
import { Networks } from '../access/networks.js'
import { isAlive, type Session, type SessionSettings } from '../identity/sessions/session.js'
import type { NetworkEntry, SettingOutcome, SettingRefusal, SettingView } from '../identity/store/settings.js'
import { type Actor, defineOperation, Refusal, refuse } from './operation.js'
import type { Services } from './services.js'

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
  async run({ services }) {
    await services.settings.fresh()
    return { items: services.settings.describe().map(viewOf) }
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
  async run({ services, input, by }) {
    return (
      (await lockOut(services, input, by)) ?? outcome(await services.settings.set(input.key, input.value, author(by)))
    )
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
  async run({ services, input: { key }, by }) {
    const inFile = services.settings.describe().find((setting) => setting.key === key)?.inFile
    const then = inFile === undefined ? undefined : { key, value: JSON.stringify(inFile) }
    return (then && (await lockOut(services, then, by))) ?? outcome(await services.settings.unset(key, author(by)))
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
  summary: 'whom a change of a setting would affect, among those that can be looked at quickly',
  may: 'owner',
  input: z.strictObject({ key, value }),
  output: preview,
  doors: {
    page: '/settings',
    api: 'GET /settings/{key}/preview',
    commandLine: 'settings preview',
  },
  async run({ services, input: { key, value } }) {
    const checked = services.settings.check(key, value)
    if (checked.outcome === 'refused') return refusalOf(checked)
    const { durationSeconds, idleSeconds } = services.settings
    switch (checked.key) {
      case 'session.duration':
        return endedBy(services, { durationSeconds: checked.value as number, idleSeconds })
      case 'session.idle':
        return endedBy(services, { durationSeconds, idleSeconds: checked.value as number | undefined })
      case 'networks':
        return barredBy(services, checked.value as readonly NetworkEntry[])
      default:
        return withoutFactor(services)
    }
  },
})

export type Preview = z.output<typeof preview>

/** More takes longer than a page may. */
const LOOKED = 2000
const EXAMPLES = 20

async function withoutFactor({ accounts }: Services): Promise<Preview> {
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

/** By the evaluator of sessions itself, so that nothing is said here that is not so. */
function endedBy(services: Services, then: SessionSettings): Promise<Preview> {
  const what = 'open sessions that would end at once'
  return overSessions(services, what, (session) => !isAlive(session, then, services.now()))
}

/** By the evaluator of the gate. */
function barredBy(services: Services, list: readonly NetworkEntry[]): Promise<Preview> {
  const networks = new Networks(list)
  const what = 'open sessions from where nothing could be reached any more'
  return overSessions(services, what, ({ client }) => networks.find(parseAddress(client))?.access === 'deny')
}

async function overSessions(
  { sessions }: Services,
  what: string,
  isAffected: (session: Session) => boolean,
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
  services: Services,
  { key, value }: { readonly key: string; readonly value: string },
  { client }: Actor,
): Promise<Refusal | undefined> {
  const checked = services.settings.check(key, value)
  // The gateway will say what is wrong with it.
  if (checked.outcome === 'refused') return undefined
  if (checked.key === 'networks' && client !== undefined) {
    const networks = new Networks(checked.value as readonly NetworkEntry[])
    if (networks.find(parseAddress(client.address))?.access === 'deny') {
      return refuse('This would lock you out: from where you are nothing could be reached any more.')
    }
  }
  const required = checked.key === 'secondFactor.required' ? checked.value : services.settings.required
  const unenrolled = checked.key === 'secondFactor.unenrolled' ? checked.value : services.settings.unenrolled
  if (required !== 'everyone' || unenrolled !== 'recovery-code') return undefined
  const owners = await services.accounts.owners.list()
  if (owners.length === 0 || owners.some(({ enrolled }) => enrolled.length > 0)) return undefined
  return refuse('This would lock every owner out: no owner has a second factor. Set one up first.')
}

function author({ account, client, door }: Actor) {
  return { name: account?.username ?? door, ...(client === undefined ? {} : { client }) }
}

function outcome(result: SettingOutcome): SettingChange | Refusal {
  if (result.outcome !== 'refused') {
    const { outcome, setting, before } = result
    return { ...viewOf(setting), changed: outcome === 'changed', before: before.value }
  }
  return refusalOf(result)
}

function refusalOf(result: SettingRefusal): Refusal {
  if (result.reason === 'invalid') {
    const faults = result.problems.map(({ path, message, accepted }) => ({
      field: path,
      sentence: `${path} ${message}.${accepted === undefined ? '' : ` Accepted: ${accepted}.`}`,
    }))
    const said = result.problems.map(({ text }) => text).join('\n\n')
    return new Refusal('operation.input', said, { faults, reason: 'invalid' })
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
