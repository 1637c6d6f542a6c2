import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { LruMap } from 'toad-cache'
import { withoutBlanks } from './without-blanks.js'

/** An IP address that could be read. IPv4 in IPv6 clothes (`::ffff:1.2.3.4`) is IPv4. */
export interface Address {
  /** Dotted decimals, or IPv6 as in RFC 5952. Two texts are equal when the addresses are. */
  readonly text: string
  readonly ip: ipaddr.IPv4 | ipaddr.IPv6
}

/** What is wrong with a range. The message says what to write instead. */
export class AddressRangeError extends Error {
  override readonly name = 'AddressRangeError'
}

/**
 * Four decimals, or any text form of RFC 4291. Not read: octal, short or integer IPv4 (`010.1`, `127.1`, `2130706433`:
 * each parser takes them for another address) and zones (`fe80::1%eth0`).
 */
export function parseAddress(text: string): Address | undefined {
  const known = parsed.get(text)
  if (known !== undefined) return known
  const address = parse(text)
  if (address !== undefined) parsed.set(text, address)
  return address
}

/** Addresses already read: most requests come over connections, by proxies and from clients that are known. */
const parsed = new LruMap<Address>(4096)

function parse(text: string): Address | undefined {
  // What a socket says that listens on both families; the parser of ipaddr.js would take seven times as long.
  const decimals = text.startsWith('::ffff:') ? text.slice(7) : text
  if (isIPv4(decimals)) return { text: decimals, ip: ipaddr.IPv4.parse(decimals) }
  if (text.includes('%') || !isIPv6(text)) return undefined
  const ip = ipaddr.IPv6.parse(withoutDecimals(text))
  const unmapped = ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip
  return { text: unmapped.toString(), ip: unmapped }
}

/** `::10.0.0.1` to `::a00:1`: left to itself, ipaddr.js takes the first for the IPv4 address 10.0.0.1. */
function withoutDecimals(text: string): string {
  if (!text.includes('.')) return text
  const at = text.lastIndexOf(':') + 1
  const [a = 0, b = 0, c = 0, d = 0] = text.slice(at).split('.').map(Number)
  return `${text.slice(0, at)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

interface Range {
  readonly network: ipaddr.IPv4 | ipaddr.IPv6
  readonly bits: number
}

/** A list of networks in CIDR notation. */
export class AddressRanges {
  readonly #ranges: readonly Range[]

  private constructor(ranges: readonly Range[]) {
    this.#ranges = ranges
  }

  static readonly none = new AddressRanges([])

  /**
   * @param list `10.0.0.0/8`, `2001:db8::/32`, or one address
   * @throws {@link AddressRangeError} for what is no range, and for one with bits set behind its prefix
   */
  static parse(list: readonly string[]): AddressRanges {
    return new AddressRanges(list.map(parseRange))
  }

  /** Everything that is in one of them. */
  static join(lists: readonly AddressRanges[]): AddressRanges {
    return new AddressRanges(lists.flatMap((list) => list.#ranges))
  }

  has(address: Address): boolean {
    for (const range of this.#ranges) if (contains(range, address.ip)) return true
    return false
  }

  /** Whether every address of the other list is in this one, if need be in several of its networks together. */
  covers(other: AddressRanges): boolean {
    return other.#ranges.every((inner) => isCovered(inner, this.#ranges))
  }
}

/** By one of the networks, or in halves; only networks that lie within it make halves worth a look. */
function isCovered(inner: Range, outers: readonly Range[]): boolean {
  const within: Range[] = []
  for (const outer of outers) {
    if (outer.bits <= inner.bits && contains(outer, inner.network)) return true
    if (outer.bits > inner.bits && contains(inner, outer.network)) within.push(outer)
  }
  return within.length > 1 && halves(inner).every((half) => isCovered(half, within))
}

function halves({ network, bits }: Range): readonly [Range, Range] {
  const bytes = network.toByteArray()
  const upper = bytes.with(bits >> 3, (bytes[bits >> 3] ?? 0) | (0x80 >> (bits & 7)))
  const made = network instanceof ipaddr.IPv4 ? new ipaddr.IPv4(upper) : new ipaddr.IPv6(upper)
  return [
    { network, bits: bits + 1 },
    { network: made, bits: bits + 1 },
  ]
}

/** `undefined` when it can be used; otherwise a sentence for the operator. */
export function findRangeProblem(text: string): string | undefined {
  try {
    parseRange(text)
    return undefined
  } catch (error) {
    if (error instanceof AddressRangeError) return error.message
    throw error
  }
}

function contains(range: Range, ip: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  // ipaddr.js throws where the families differ.
  if (ip instanceof ipaddr.IPv4) return range.network instanceof ipaddr.IPv4 && ip.match(range.network, range.bits)
  return range.network instanceof ipaddr.IPv6 && ip.match(range.network, range.bits)
}

function parseRange(text: string): Range {
  const [, base = '', prefix] = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const address = parseAddress(base)
  if (address === undefined)
    throw new AddressRangeError('an address range is written as in 10.0.0.0/8 or 2001:db8::/32')
  const isIPv4Range = address.ip instanceof ipaddr.IPv4
  const width = isIPv4Range ? 32 : 128
  // `::ffff:10.0.0.0/104` counts the 96 bits of the clothes.
  const extra = isIPv4Range && base.includes(':') ? 96 : 0
  const bits = prefix === undefined ? width : Number(prefix) - extra
  if (bits < 0 || bits > width) {
    throw new AddressRangeError(`the prefix of this range is a number from ${extra} to ${width + extra}`)
  }
  const network = isIPv4Range
    ? ipaddr.IPv4.networkAddressFromCIDR(`${address.text}/${bits}`)
    : ipaddr.IPv6.networkAddressFromCIDR(`${address.text}/${bits}`)
  if (network.toString() !== address.text) {
    throw new AddressRangeError(`the address has bits set behind its prefix: write ${network.toString()}/${bits}`)
  }
  return { network, bits }
}

/** More proxies than this in a row are no chain of proxies. */
const maximumHops = 32
/** Characters of one entry, spaces around it included. */
const maximumEntry = 128

/**
 * Who sent a request: the peer, or, while the peer is a trusted proxy, whom it names, read from the right; what stands
 * left of the first address that is not trusted was written by the client and is not looked at.
 * An entry may carry a port (`1.2.3.4:5`, `[::1]:5`), as some load balancers write it.
 * @param peer the address of the socket
 * @param forwardedFor the lines of `X-Forwarded-For` as they came, in order
 * @param counted is told how many entries were read
 * @returns `undefined` for an address that cannot be read (also an empty entry): the strictest rule applies to it
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: readonly string[],
  trusted: AddressRanges,
  counted?: { hops: number },
): Address | undefined {
  let client = peer === undefined ? undefined : parseAddress(peer)
  let hops = 0
  for (let index = forwardedFor.length - 1; index >= 0; index--) {
    const line = forwardedFor[index] ?? ''
    let end = line.length
    while (end >= 0) {
      if (client === undefined || !trusted.has(client)) return client
      if (++hops > maximumHops) return undefined
      if (counted !== undefined) counted.hops = hops
      const comma = end === 0 ? -1 : line.lastIndexOf(',', end - 1)
      client = parseEntry(line.slice(comma + 1, end))
      end = comma
    }
  }
  return client
}

/** The lines of a header as Node gives them. */
export function linesOf(header: string | readonly string[]): readonly string[] {
  return typeof header === 'string' ? [header] : header
}

function parseEntry(entry: string): Address | undefined {
  if (entry.length > maximumEntry) return undefined
  const plain = parseAddress(entry)
  if (plain !== undefined) return plain
  const text = withoutBlanks(entry)
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1]
  if (bracketed !== undefined) return isIPv6(bracketed) ? parseAddress(bracketed) : undefined
  return parseAddress(/^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text)
}

/** What budgets per network count by: the IPv4 address, or the /64 a single IPv6 customer has to himself. */
export function networkKey(address: Address | undefined): string {
  if (address === undefined) return 'unreadable'
  if (address.ip instanceof ipaddr.IPv4) return address.text
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address.text}/64`).toString()}/64`
}
