import type { z } from 'zod'
import type { Json } from '../contracts.js'
import { checkTogether } from './checks/cross-checks.js'
import { entriesOf } from './checks/raw-values.js'
import { complaintsFor, placeAt } from './complaints.js'
import { durationText } from './duration-text.js'
import { nearest } from './nearest.js'
import { type ConfigProblem, formatPath, formatProblem, type Path } from './problem.js'
import type { ProfileName } from './profile.js'
import { type Config, type RuntimeKey, runtimeKeys, settingsSchema } from './schema.js'
import { schemaAt } from './schema-walk.js'
import { Locator } from './source/locator.js'
import { readSource } from './source/source.js'

/** A mistake in a value, with all of it in lines of text. */
export interface ValueProblem extends Omit<ConfigProblem, 'file' | 'line' | 'column' | 'source'> {
  readonly text: string
}

/** The settings that may be changed while the gateway runs, by the schema and in the words of the file. */
export function settingForms({
  settings,
  session,
  secondFactor,
  profile,
}: Pick<Config, 'settings' | 'session' | 'secondFactor' | 'profile'>) {
  const { durationSeconds, idleSeconds } = session
  // Where the file leaves a key out, what its default is in the words of the file.
  const defaults: Readonly<Record<RuntimeKey, Json>> = {
    'secondFactor.required': secondFactor.required,
    'secondFactor.unenrolled': secondFactor.unenrolled,
    'session.duration': durationText(durationSeconds),
    'session.idle': idleSeconds === undefined ? 'off' : durationText(idleSeconds),
    networks: [],
  }
  return {
    keys: runtimeKeys,
    inFile: (key: RuntimeKey) => {
      const written = settings.written[key]
      const locked = settings.locked.includes(key)
      if (written === undefined) return { value: defaults[key], origin: 'default' as const, locked }
      return { ...written, origin: 'yaml' as const, locked }
    },
    read: (key: RuntimeKey, text: string) => readSetting(key, text, profile?.name),
    nearest: (key: string) => runtimeKeys.find((one) => one === nearest(key, runtimeKeys)),
  }
}

/**
 * A value in YAML, checked as if it stood in the file under its key, also that it is not weaker than the profile of the
 * file. Nothing is filled in from outside.
 */
export function readSetting(
  key: RuntimeKey,
  text: string,
  profile?: ProfileName,
): { readonly written: Json; readonly value: unknown } | { readonly problems: readonly ValueProblem[] } {
  // Whoever may change a setting need not be somebody who may read the environment and the files of this machine.
  if (text.includes('${'))
    return { problems: [problem(key, 'cannot refer to the environment or a file: write it out')] }
  if (text.length > mostCharacters) return { problems: [problem(key, `is longer than ${mostCharacters} characters`)] }
  const path = key.split('.')
  const heads = path.map((part, depth) => `${'  '.repeat(depth)}${part}:`)
  const indent = '  '.repeat(path.length)
  const lines = text.split(/\r\n|\r|\n/).map((line) => indent + line)
  const source = readSource([...heads, ...lines].join('\n'), {}, '/')
  const locator = new Locator(key, source)
  const { root } = source
  const faults = source.faults.map((fault) => locator.problemAt(fault.span, fault.path, fault))
  if (root === undefined || faults.length > 0) return { problems: faults.map((fault) => asValue(fault, path.length)) }
  const valueAt = (at: Path) => {
    const { place, depth } = placeAt(root, at)
    return depth === at.length ? place.value : undefined
  }
  const written = valueAt(path) as Json
  const checked = (schemaAt(settingsSchema, path) as z.ZodType).safeParse(written)
  const issues = (checked.error?.issues ?? []).map((issue) => ({ ...issue, path: [...path, ...issue.path] }))
  const complaints = [
    ...issues.flatMap((issue) => complaintsFor(issue, settingsSchema, valueAt, (at) => locator.mayQuote(at))),
    ...checkTogether({ ...entriesOf(root.value), profile }, '/', (at) => locator.lineOf(at) - path.length).filter(
      (complaint) => complaint.path[0] === path[0],
    ),
  ]
  if (complaints.length === 0) return { written, value: checked.data }
  return { problems: locator.problems(complaints).map((one) => asValue(one, path.length)) }
}

/** A list of networks may have a thousand entries. */
const mostCharacters = 200_000

/** Counted from where the value starts, not from the key it was put under to be checked. */
function asValue(found: ConfigProblem, depth: number): ValueProblem {
  const { file: _file, line, column, source, ...words } = found
  const indent = 2 * depth
  const moved = {
    ...found,
    line: Math.max(1, line - depth),
    column: Math.max(1, column - indent),
    ...(source !== undefined && {
      source: { ...source, text: source.text.slice(indent), caret: Math.max(0, source.caret - indent) },
    }),
  }
  return { ...words, text: formatProblem(moved) }
}

function problem(key: RuntimeKey, message: string): ValueProblem {
  const path = formatPath(key.split('.'))
  return { path, message, text: `${path}: ${message}` }
}
