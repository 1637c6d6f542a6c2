import { nearest } from './nearest.js'
import { type Path, quote } from './problem.js'
import { homesOf, keysOf, noteOf, schemaAt, wordsOf } from './schema-walk.js'
import type { Place } from './source/source.js'

/** What a checked value got wrong, before it has a place in the file. */
export interface Complaint {
  readonly path: Path
  /** Whether the key is at fault or the value. */
  readonly at: 'key' | 'value'
  readonly message: string
  readonly accepted?: string
  readonly suggestion?: string
  /** Whether the value is text of the wrong form, so that seeing it helps; what stands where a list or map belongs may be anything. */
  readonly isForm?: boolean
  /** Where to point when there is nothing at `path` to point at. */
  readonly near?: Path
}

/** Unknown keys of one map that are spoken of. */
const mostKeys = 500

/** What any copy of zod says of one fault. */
export interface SchemaIssue {
  readonly code?: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly [more: string]: unknown
}

/**
 * One complaint for each fault, in words that repeat no value but the ones `mayQuote` allows.
 * @param valueAt what stands at a path of the checked value
 */
export function complaintsFor(
  given: SchemaIssue,
  schema: unknown,
  valueAt: (path: Path) => unknown,
  mayQuote: (path: Path) => boolean,
): Complaint[] {
  const issue = given.code === 'custom' || isStandardWords(given.message) ? given : { ...given, code: 'custom' }
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
  const here = schemaAt(schema, path)
  if (issue.code === 'unrecognized_keys') {
    const keys = Array.isArray(issue['keys']) ? issue['keys'].map(String) : []
    return keys.slice(0, mostKeys).map((key) => unknownKey([...path, key], schema, valueAt([...path, key])))
  }
  const closest = issue.code === 'invalid_union' ? closestOf(issue) : []
  if (closest.length > 0 && (noteOf(here, 'accepts') === undefined || noteOf(here, 'isSpread') === true)) {
    return closest.flatMap((inner) =>
      complaintsFor({ ...inner, path: [...path, ...inner.path] }, schema, valueAt, mayQuote),
    )
  }
  const value = valueAt(path)
  // Where a word may stand, text is meant to be one.
  const isWord = issue.code === 'invalid_union' && typeof value === 'string' && noteOf(here, 'accepts') === undefined
  if (isWord && wordsOf(here).length > 0) {
    return complaintsFor({ ...issue, code: 'invalid_value' }, schema, valueAt, mayQuote)
  }
  const accepted = acceptedAt(here, issue)
  const common = { path, at: 'value' as const, ...(accepted !== undefined && { accepted }) }
  if (value === undefined) return [{ ...common, message: 'is missing' }]
  if (value === null) return [{ ...common, message: 'has no value' }]
  const words = wordsFrom(here, issue)
  const known = noteOf(here, 'known')
  const near =
    typeof value === 'string' && mayQuote(path)
      ? nearest(value, Array.isArray(known) ? known.map(String) : words)
      : undefined
  const message = unitMissing(here, value) ?? messageFor(issue, value, words.length > 0, mayQuote(path))
  const isForm = issue.code !== 'invalid_type' && issue.code !== 'invalid_union'
  return [{ ...common, message, isForm, ...(near !== undefined && { suggestion: near }) }]
}

function unknownKey(path: Path, schema: unknown, value: unknown): Complaint {
  const key = String(path.at(-1))
  const keys = keysOf(schemaAt(schema, path.slice(0, -1))) ?? []
  const suggestion = nearest(key, keys)
  // `{ password: a, b }` makes a key of the b: what has no value and is like no key may be part of a secret.
  const isKey = /^[A-Za-z_][\w-]{0,40}$/.test(key) && (value !== null || suggestion !== undefined)
  const homes = suggestion === undefined ? homesOf(schema, key).map((home) => home || 'the top level') : []
  const home = homes.length > 0 ? `; it belongs into ${homes.slice(0, 3).join(' or ')}` : ''
  return {
    path: isKey ? path : path.slice(0, -1),
    at: isKey ? 'key' : 'value',
    message: isKey ? `is not a key that exists here${home}` : 'has something in it that is no key',
    ...(keys.length > 0 && { accepted: keys.join(', ') }),
    ...(suggestion !== undefined && isKey && { suggestion }),
  }
}

function wordsFrom(schema: unknown, issue: SchemaIssue): readonly string[] {
  const values = issue.code === 'invalid_value' && Array.isArray(issue['values']) ? issue['values'] : []
  return values.length > 0 ? values.filter((word) => typeof word === 'string') : wordsOf(schema)
}

function acceptedAt(schema: unknown, issue: SchemaIssue): string | undefined {
  const note = noteOf(schema, 'accepts')
  if (typeof note === 'string') return note
  const values = issue.code === 'invalid_value' && Array.isArray(issue['values']) ? issue['values'] : wordsOf(schema)
  if (values.length > 0) return listed(values.map(String))
  const keys = keysOf(schema)
  return keys && keys.length > 0 ? `keys: ${keys.join(', ')}` : undefined
}

/** Long lists (countries) say where to look, not everything. */
function listed(words: readonly string[]): string {
  const most = 30
  return words.length <= most ? words.join(', ') : `${words.slice(0, most).join(', ')} and ${words.length - most} more`
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
}

/** A number where a length of time belongs says nothing yet. */
function unitMissing(schema: unknown, value: unknown): string | undefined {
  const units = noteOf(schema, 'units')
  if (!Array.isArray(units) || !Number.isInteger(Number(value)) || !/^\d{1,9}$/.test(String(value))) return undefined
  const ways = units.map((unit) => `${value}${unit}`)
  return `is ${value} of what? Write ${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}`
}

function messageFor(issue: SchemaIssue, value: unknown, isWord: boolean, mayQuote: boolean): string {
  switch (issue.code) {
    case 'invalid_type': {
      const expected = kinds[String(issue['expected'])] ?? String(issue['expected'])
      const advice =
        issue['expected'] === 'string' && typeof value !== 'object' ? '; put it in quotes if it is text' : ''
      return `should be ${expected}, not ${kindOf(value)}${advice}`
    }
    case 'invalid_value':
      return isWord && typeof value === 'string' && mayQuote
        ? `${quote(value)} is not one of the words`
        : 'is not accepted'
    case 'invalid_union':
      return 'is not accepted'
    case 'invalid_format':
      return typeof value === 'string' && mayQuote ? `${quote(value)} is not accepted` : 'is not accepted'
    case 'too_small':
      return sizeMessage(value, 'at least', issue['minimum'])
    case 'too_big':
      return sizeMessage(value, 'at most', issue['maximum'])
    default:
      return startLow(issue.message)
  }
}

/** Of the ways a value could be right, what is wrong with the one it comes nearest to. */
function closestOf(issue: SchemaIssue): readonly SchemaIssue[] {
  const ways: unknown = issue['errors']
  if (!Array.isArray(ways)) return []
  const lists: readonly SchemaIssue[][] = ways.filter((way) => Array.isArray(way))
  const inside = lists.filter((way) => way.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'))
  return inside.toSorted((a, b) => a.length - b.length)[0] ?? []
}

/** Words a plugin's author chose are better than ours. */
function isStandardWords(message: string): boolean {
  return /^(Invalid|Too (small|big)|Unrecognized|Expected)\b/.test(message)
}

function startLow(message: string): string {
  return /^[A-Z][a-z]/.test(message) ? message.charAt(0).toLowerCase() + message.slice(1) : message
}

function sizeMessage(value: unknown, bound: string, size: unknown): string {
  if (Array.isArray(value)) return `has ${value.length} entries; ${bound} ${String(size)}`
  if (typeof value === 'string') return `has ${value.length} characters; ${bound} ${String(size)}`
  return `is out of range; ${bound} ${String(size)}`
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'keys and values'
  return kinds[typeof value] ?? 'that'
}

/** The place at a path, or the nearest one above it that exists. */
export function placeAt(root: Place, path: Path): { readonly place: Place; readonly depth: number } {
  let place = root
  for (const [depth, key] of path.entries()) {
    const child = place.children.get(key)
    if (!child) return { place, depth }
    place = child
  }
  return { place, depth: path.length }
}
