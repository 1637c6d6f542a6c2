import { done, failed, wrongUse } from '../../exit-codes.js'
import { Refusal } from '../../operations/operation.js'
import {
  type Preview,
  previewSetting,
  type SettingChange,
  type SettingEntry,
  setSetting,
  showSettings,
  unsetSetting,
} from '../../operations/settings.js'
import { byCommand, complain, moment, refusedAt, say, type Terminal, table, type WithOperations } from '../terminal.js'

/** `settings [show]`: what holds now, and where it comes from. */
export async function settingsShow(
  { desk }: WithOperations,
  terminal: Terminal,
  { json = false } = {},
): Promise<number> {
  const shown = await desk.run(showSettings, {}, byCommand)
  if (shown instanceof Refusal) return refusedAt(terminal, shown)
  const { items } = shown
  if (json) {
    say(terminal, JSON.stringify(items, undefined, 2))
    return done
  }
  const cells = items.map((setting) => [setting.key, valueText(setting.value), originText(setting)])
  say(terminal, table([['SETTING', 'VALUE', 'FROM'], ...cells]))
  for (const { key, ignored } of items) if (ignored !== undefined) say(terminal, ignoredText(key, ignored))
  return done
}

/** `settings preview KEY VALUE`: whom `settings set` would affect. Changes nothing. */
export async function settingsPreview(
  { desk }: WithOperations,
  terminal: Terminal,
  key: string,
  value: string,
  { json = false } = {},
): Promise<number> {
  const preview = await desk.run(previewSetting, { key, value }, byCommand)
  if (preview instanceof Refusal) return refusedAt(terminal, preview)
  say(terminal, json ? JSON.stringify(preview, undefined, 2) : previewText(preview))
  return done
}

/** `settings set KEY VALUE`: for every gateway on this store, without a restart. The value is YAML, as in the file. */
export async function settingsSet(
  { desk }: WithOperations,
  terminal: Terminal,
  key: string,
  value: string,
  { json = false } = {},
): Promise<number> {
  // Looked at before: afterwards those it affects are gone.
  const preview = json ? undefined : await desk.run(previewSetting, { key, value }, byCommand)
  const changed = await desk.run(setSetting, { key, value }, byCommand)
  if (preview !== undefined && 'affected' in preview && preview.affected > 0 && !(changed instanceof Refusal)) {
    terminal.stderr.write(`${previewText(preview)}\n`)
  }
  return answer(changed, terminal, json)
}

/** `settings unset KEY`: what the file says holds again. */
export async function settingsUnset(
  { desk }: WithOperations,
  terminal: Terminal,
  key: string,
  { json = false } = {},
): Promise<number> {
  return answer(await desk.run(unsetSetting, { key }, byCommand), terminal, json)
}

function answer(result: SettingChange | Refusal, terminal: Terminal, json: boolean): number {
  if (result instanceof Refusal) {
    const { code, sentence, reason } = result
    const exitCode = code === 'operation.input' || reason === 'unknown-key' ? wrongUse : failed
    if (!json) return complain(terminal, exitCode, sentence)
    say(terminal, JSON.stringify({ outcome: 'refused', reason, sentence }, undefined, 2))
    return exitCode
  }
  const { changed, before, ...setting } = result
  if (json) {
    say(terminal, JSON.stringify({ outcome: changed ? 'changed' : 'unchanged', setting, before }, undefined, 2))
    return done
  }
  const { key, value, ignored } = setting
  const was = changed ? ` (was ${valueText(before)})` : ' already'
  say(terminal, `${key} is ${valueText(value)}${was}, ${originText(setting)}.`)
  if (ignored !== undefined) say(terminal, ignoredText(key, ignored))
  return done
}

function previewText({ what, affected, looked, isMore, examples }: Preview): string {
  const among = examples.length === 0 ? '' : ` Among them: ${examples.join(', ')}.`
  return `It affects ${affected} of ${isMore ? `the first ${looked} that were looked at` : looked}: ${what}.${among}`
}

/** Words as they are; lists and the like as JSON, which is YAML as well. */
function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function originText({ origin, locked, line, changedBy, changedAt, ignored }: SettingEntry): string {
  const by =
    changedBy === undefined || changedAt === undefined ? '' : `, by ${changedBy} at ${moment(Date.parse(changedAt))}`
  const from = {
    store: `store${by}`,
    yaml: line === undefined ? 'yaml' : `yaml, line ${line}`,
    default: 'default',
  }[origin]
  return [from, ...(locked ? ['locked'] : []), ...(ignored === undefined ? [] : ['an override is ignored'])].join('; ')
}

function ignoredText(key: string, { value, reason }: NonNullable<SettingEntry['ignored']>): string {
  const why = reason === 'locked' ? 'the file locks this setting' : 'it cannot be read'
  return `Ignored: ${key} stands as ${valueText(value)} in the store, but ${why}. gatelodge settings unset ${key}`
}
