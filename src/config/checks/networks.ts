import { AddressRangeError, AddressRanges } from '../../access/client-address.js'
import type { RuleSettings } from '../../access/rule.js'
import type { Complaint } from '../complaints.js'
import type { Path } from '../problem.js'
import { entriesOf, listOf } from './raw-values.js'

/** Networks that decide nothing, or are never asked. */
export function checkNetworks(networks: readonly unknown[], at: Path, lineOf: (path: Path) => number): Complaint[] {
  const complaints: Complaint[] = []
  const earlier: { readonly ranges: AddressRanges; readonly line: number }[] = []
  const allowing = networks.findIndex((entry) => entriesOf(entry)['access'] === 'allow')
  for (const [index, entry] of networks.entries()) {
    const network = entriesOf(entry)
    const path = [...at, index]
    if ('range' in network && network['access'] === undefined) {
      const message =
        allowing !== -1
          ? `turns these clients away, because the entry in line ${lineOf([...at, allowing])} says access: allow`
          : network['secondFactor'] === undefined
            ? 'says nothing about these clients'
            : undefined
      const accepted =
        allowing === -1 ? 'access: deny, access: allow, or secondFactor' : 'access: allow or access: deny'
      if (message !== undefined) complaints.push({ path, at: 'value', message, accepted })
    }
    const ranges = parseRanges(network['range'])
    if (!ranges) continue
    const covering = earlier.find((one) => one.ranges.covers(ranges))
    const together = covering === undefined && AddressRanges.join(earlier.map((one) => one.ranges)).covers(ranges)
    if (covering || together) {
      const who = covering ? `the network in line ${covering.line} has` : 'the networks before it have'
      const message = `is never reached: ${who} all of it`
      complaints.push({ path, at: 'value', message, accepted: 'the narrower network first' })
    }
    earlier.push({ ranges, line: lineOf(path) })
  }
  return complaints
}

interface Denied {
  readonly ranges: AddressRanges
  readonly line: number
}

/** Entries that turn clients away before any other entry can have them. */
export function deniedRanges(networks: readonly unknown[], at: Path, lineOf: (path: Path) => number): Denied[] {
  const found: Denied[] = []
  for (const [index, entry] of networks.entries()) {
    const network = entriesOf(entry)
    const ranges = parseRanges(network['range'])
    if (network['access'] !== 'deny') break
    if (ranges) found.push({ ranges, line: lineOf([...at, index]) })
  }
  return found
}

/** Rules for clients that are turned away before any rule is read. */
export function checkDenied(
  rules: readonly (RuleSettings & { readonly at: number })[],
  index: number,
  denied: readonly Denied[],
): Complaint[] {
  return rules.flatMap(({ from, at }) => {
    const ranges = from && parseRanges(from)
    const by = ranges && denied.find((one) => one.ranges.covers(ranges))
    if (by === undefined) return []
    const message = `is never reached: the network in line ${by.line} denies all of these clients`
    return [{ path: ['sites', index, 'rules', at], at: 'value' as const, message }]
  })
}

function parseRanges(value: unknown): AddressRanges | undefined {
  const texts = listOf(value).filter((text) => typeof text === 'string')
  if (texts.length === 0 || texts.length !== listOf(value).length) return undefined
  try {
    return AddressRanges.parse(texts)
  } catch (error) {
    if (error instanceof AddressRangeError) return undefined
    throw error
  }
}
