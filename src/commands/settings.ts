import type { Json } from '../contracts.js'
import type { SettingOutcome, Settings, SettingView } from '../identity/settings.js'
import { complain, done, failed, moment, say, type Terminal, table, wrongUse } from './terminal.js'

/** The rooms that commands about settings work on. */
export interface SettingRooms {
  readonly settings: Pick<Settings, 'describe' | 'set' | 'unset'>
}

/** `settings [show]`: what holds now, and where it comes from. */
export async function settingsShow(
  { settings }: SettingRooms,
  terminal: Terminal,
  { json = false } = {},
): Promise<number> {
  const views = settings.describe()
  if (json) {
    say(terminal, JSON.stringify(views, undefined, 2))
    return done
  }
  const cells = views.map((view) => [view.key, valueText(view.value), originText(view)])
  say(terminal, table([['SETTING', 'VALUE', 'FROM'], ...cells]))
  for (const { key, ignored } of views) if (ignored !== undefined) say(terminal, ignoredText(key, ignored))
  return done
}

/** `settings set KEY VALUE`: for every gateway on this store, without a restart. The value is YAML, as in the file. */
export async function settingsSet(
  { settings }: SettingRooms,
  terminal: Terminal,
  key: string,
  value: string,
  { json = false } = {},
): Promise<number> {
  return answer(await settings.set(key, value, byHand), terminal, json)
}

/** `settings unset KEY`: what the file says holds again. */
export async function settingsUnset(
  { settings }: SettingRooms,
  terminal: Terminal,
  key: string,
  { json = false } = {},
): Promise<number> {
  return answer(await settings.unset(key, byHand), terminal, json)
}

const byHand = { name: 'command-line' }

function answer(result: SettingOutcome, terminal: Terminal, json: boolean): number {
  if (json) say(terminal, JSON.stringify(result, undefined, 2))
  if (result.outcome === 'refused') {
    const code = result.reason === 'locked' ? failed : wrongUse
    if (json) return code
    const lines = result.reason === 'invalid' ? result.problems.map(({ text }) => text) : [result.sentence]
    return complain(terminal, code, lines.join('\n\n'))
  }
  if (json) return done
  const { key, value, ignored } = result.setting
  const before = result.outcome === 'changed' ? ` (was ${valueText(result.before.value)})` : ' already'
  say(terminal, `${key} is ${valueText(value)}${before}, ${originText(result.setting)}.`)
  if (ignored !== undefined) say(terminal, ignoredText(key, ignored))
  return done
}

/** Words as they are; lists and the like as JSON, which is YAML as well. */
function valueText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function originText({ origin, locked, line, changedBy, changedAt, ignored }: SettingView): string {
  const by = changedBy === undefined || changedAt === undefined ? '' : `, by ${changedBy} at ${moment(changedAt)}`
  const from = {
    store: `store${by}`,
    yaml: line === undefined ? 'yaml' : `yaml, line ${line}`,
    default: 'default',
  }[origin]
  return [from, ...(locked ? ['locked'] : []), ...(ignored === undefined ? [] : ['an override is ignored'])].join('; ')
}

function ignoredText(key: string, { value, reason }: NonNullable<SettingView['ignored']>): string {
  const why = reason === 'locked' ? 'the file locks this setting' : 'it cannot be read'
  return `Ignored: ${key} stands as ${valueText(value)} in the store, but ${why}. gatelodge settings unset ${key}`
}
