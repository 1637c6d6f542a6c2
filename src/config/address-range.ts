import ipaddr from 'ipaddr.js'
import { z } from 'zod'

/** A CIDR range, its bytes and length, for finding out whether one holds another. */
export interface AddressRange {
  /** Canonical, always with the prefix length. */
  readonly text: string
  readonly bytes: readonly number[]
  readonly prefixLength: number
}

const ipv4 = /^(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$/
const ipv6 = /^[0-9A-Fa-f:]+$/

/**
 * A range or single address. ipaddr.js takes octal, short and integer forms of IPv4 (RFC 6943, 3.1.1), which people and
 * other programs read differently: only four plain decimals and plain IPv6 are ours.
 * @returns the range, or a sentence of what is wrong
 */
export function parseAddressRange(value: string): AddressRange | string {
  const [address = '', length, ...rest] = value.split('/')
  if (rest.length > 0) return 'is not an address range'
  const isIpv4 = ipv4.test(address)
  if (!isIpv4 && /^[0-9.xX]+$/.test(address))
    return 'is not an IPv4 address of four decimal numbers without leading zeros'
  if (!(isIpv4 || ipv6.test(address)) || !ipaddr.isValid(address)) return 'is not an address range'
  const bytes = ipaddr.parse(address).toByteArray()
  const bits = bytes.length * 8
  if (length !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(length)) return 'has a prefix length that is not a number'
  const prefixLength = length === undefined ? bits : Number(length)
  if (prefixLength > bits) return `has a prefix length over ${bits}`
  const network = bytes.map((byte, index) => byte & (0xff << Math.max(0, Math.min(8, (index + 1) * 8 - prefixLength))))
  if (isMapped(network)) return 'is IPv4 written as IPv6; write it as IPv4'
  const text = `${ipaddr.fromByteArray(network).toString()}/${prefixLength}`
  if (network.some((byte, index) => byte !== bytes[index]))
    return `has bits set behind its prefix; the range is ${text}`
  return { text, bytes, prefixLength }
}

/** `::ffff:0:0/96`: clients that arrive like that are compared as IPv4, so such a range would never match. */
function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
}

/** Whether every address of `inner` is in `outer`. */
export function rangeHolds(outer: AddressRange, inner: AddressRange): boolean {
  if (outer.bytes.length !== inner.bytes.length || outer.prefixLength > inner.prefixLength) return false
  return outer.bytes.every((byte, index) => {
    const mask = (0xff << Math.max(0, Math.min(8, (index + 1) * 8 - outer.prefixLength))) & 0xff
    return byte === ((inner.bytes[index] ?? 0) & mask)
  })
}

/** A range in YAML, as canonical text. */
export function addressRange() {
  return z
    .string()
    .transform((value, context): string => {
      const range = parseAddressRange(value)
      if (typeof range !== 'string') return range.text
      context.issues.push({ code: 'custom', message: range, input: value })
      return z.NEVER
    })
    .meta({ accepts: 'an address or CIDR range, as in 203.0.113.7, 10.0.0.0/8 or "fd00::/8"' })
}
