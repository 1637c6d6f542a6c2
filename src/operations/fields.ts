import { z } from 'zod'

/** What a form, a query or a path says: words, some of them several times. */
export type Words = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Words as the schema of an operation wants them: numbers, yes and no, lists by line, comma or space. What is empty is left
 * out where it may be, and whatever does not fit is passed on as it came, for the schema to say so.
 */
export function readWords(schema: z.ZodObject, words: Words): Readonly<Record<string, unknown>> {
  const read: Record<string, unknown> = {}
  for (const [name, type] of Object.entries(schema.shape)) {
    const word = Object.hasOwn(words, name) ? words[name] : undefined
    if (word === undefined) continue
    const value = wordAs(type as z.ZodType, word)
    if (value !== undefined) read[name] = value
  }
  // What no field is called is no slip to be passed over in silence.
  for (const [name, word] of Object.entries(words)) if (!(name in schema.shape) && word !== undefined) read[name] = word
  return read
}

/**
 * Lists that limit something, without the empty ones: a field left empty is no limit. Kept as a limit to nothing, it would
 * refuse everything (a token good for no network opens nothing).
 */
export function withoutEmpty<Name extends string>(
  lists: Readonly<Record<Name, readonly string[] | undefined>>,
): { readonly [Key in Name]?: readonly string[] } {
  const limits = Object.entries<readonly string[] | undefined>(lists).filter(([, list]) => list && list.length > 0)
  return Object.fromEntries(limits) as { readonly [Key in Name]?: readonly string[] }
}

function wordAs(type: z.ZodType, word: string | readonly string[]): unknown {
  const { inner, mayBeLeftOut } = unwrapped(type)
  if (inner instanceof z.ZodArray) {
    const parts = [word].flat().flatMap((text) => text.split(/[\s,]+/u))
    return parts.filter((part) => part !== '')
  }
  if (typeof word !== 'string') return word
  if (inner instanceof z.ZodBoolean) return yes.has(word) ? true : no.has(word) ? false : word
  if (word === '' && mayBeLeftOut) return undefined
  if (inner instanceof z.ZodNumber) return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : word
  return word
}

function unwrapped(type: z.ZodType): { readonly inner: z.ZodType; readonly mayBeLeftOut: boolean } {
  if (type instanceof z.ZodOptional || type instanceof z.ZodDefault) {
    return { inner: unwrapped(type.def.innerType as z.ZodType).inner, mayBeLeftOut: true }
  }
  return { inner: type, mayBeLeftOut: false }
}

const yes = new Set(['true', 'yes', 'on', '1'])
const no = new Set(['false', 'no', 'off', '0', ''])
