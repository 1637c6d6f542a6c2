import type { Json } from '../contracts.js'
import { isSealedKey } from './purposes.js'
import { kidOf, type Sealer } from './sealer.js'

type Entry = { readonly [name: string]: Json }

/** What is sealed in one entry of the store, and with which keys. */
export interface SealedFacts {
  /** Ids of keys, one for each text. */
  readonly kids: readonly string[]
  /** Whether there is a secret in the clear. */
  readonly isClear: boolean
}

export function factsOf(key: string, value: Json): SealedFacts {
  const kids: string[] = []
  mapSealed(value, (text) => {
    kids.push(kidOf(text) ?? '')
    return text
  })
  return { kids, isClear: isSealedKey(key) && clearParts(key, value) !== undefined }
}

/**
 * The entry with every secret sealed by another sealer.
 * @param from opens what is sealed; what it does not open stays as it is
 * @param more.takesClear seals what lies in the clear, too
 * @returns the value itself where nothing changed
 */
export function resealed(
  key: string,
  value: Json,
  { from, to, takesClear }: { readonly from: Sealer; readonly to: Sealer; readonly takesClear: boolean },
): Json {
  if (!isSealedKey(key)) return value
  const isSame = from === to
  const anew = mapSealed(value, (text) => {
    if (isSame && kidOf(text) === to.ring.current.kid) return text
    const opened = from.open(key, text)
    return opened === undefined ? text : to.seal(key, opened.value)
  })
  return takesClear ? (clearParts(key, anew)?.((secret) => to.seal(key, secret)) ?? anew) : anew
}

/** Every `sealed: "v1.…"`, at any depth. */
function mapSealed(value: Json, turn: (text: string) => string): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((item) => mapSealed(item, turn))
    return items.some((item, at) => item !== value[at]) ? items : value
  }
  let isChanged = false
  const entries = Object.entries(value as Entry).map(([name, part]): [string, Json] => {
    const anew = name === 'sealed' && kidOf(part) !== undefined ? turn(part as string) : mapSealed(part, turn)
    isChanged ||= anew !== part
    return [name, anew]
  })
  return isChanged ? Object.fromEntries(entries) : value
}

/**
 * What versions that sealed nothing kept in the clear under this key: gives it to `seal` and returns the entry as it is kept
 * now. Pending sign-ins are left out: they are over in half an hour.
 */
function clearParts(key: string, value: Json): ((seal: (secret: Json) => string) => Json) | undefined {
  if (key.startsWith('plugin:')) {
    // A number is a counter's.
    if (typeof value === 'number' || isSealedValue(value)) return undefined
    return (seal) => ({ sealed: seal(value) })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entry = value as Entry
  if (key.startsWith('enrolment/')) return clearField(entry, 'enrolment')
  if (key === 'installation') return clearField(entry, 'formKey')
  if (key !== 'assertion-keys') return undefined
  const keys = entry['keys'] as unknown as ReadonlyArray<{ kid: string; jwk: { d?: string } }>
  if (keys.every(({ jwk }) => jwk.d === undefined)) return undefined
  return (seal) => ({
    ...entry,
    keys: keys.map((one) => {
      const { d, ...open } = one.jwk
      return d === undefined ? one : { ...one, jwk: open, sealed: seal({ kid: one.kid, jwk: one.jwk }) }
    }) as unknown as Json,
  })
}

function clearField(entry: Entry, name: string): ((seal: (secret: Json) => string) => Json) | undefined {
  const { [name]: secret, ...rest } = entry
  return secret === undefined ? undefined : (seal) => ({ ...rest, sealed: seal(secret) })
}

/** A value that is sealed as a whole, as {@link SealingStore} keeps it. */
export function isSealedValue(value: Json): value is { readonly sealed: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { sealed, ...rest } = value as Entry
  return kidOf(sealed) !== undefined && Object.keys(rest).length === 0
}
