import { type Address, AddressRangeError, AddressRanges } from './client-address.js'

/** By the list itself: records are found as copies, so a list is parsed once for as long as its copy lives. */
const compiled = new WeakMap<readonly string[], AddressRanges>()

/** The ranges of a list that an account keeps. One that cannot be read has no address in it: it lets nobody in and exempts nobody. */
export function rangesOf(list: readonly string[]): AddressRanges {
  const known = compiled.get(list)
  if (known !== undefined) return known
  const ranges = parsed(list)
  compiled.set(list, ranges)
  return ranges
}

/**
 * Whether somebody may come from an address.
 * @param ranges the only ones allowed; `undefined`: any
 * @param from `undefined` for an address that could not be read: it is in no range
 */
export function mayComeFrom(ranges: AddressRanges | undefined, from: Address | undefined): boolean {
  return ranges === undefined || (from !== undefined && ranges.has(from))
}

function parsed(list: readonly string[]): AddressRanges {
  try {
    return AddressRanges.parse(list)
  } catch (error) {
    if (error instanceof AddressRangeError) return AddressRanges.none
    throw error
  }
}
