/** A network that is counted, and how many times the limit of a single one it may take. */
export interface NetworkStep {
  /** As in `203.0.113.9`, `2001:db8:1:2::/64`, `2001:db8:1:0::/56`. */
  readonly network: string
  readonly times: number
}

/**
 * The networks one client is counted in. IPv4 is one address. IPv6 is counted three times, since one customer has anything
 * from a /64 to a /48 to himself (RIPE-690: a /56 for homes, a /48 for companies), and a limit by /64 alone would give
 * whoever has a /48 65,536 times as much: a /56 gets three times the limit of a /64, a /48 ten times.
 * @param network what budgets per network count by: an IPv4 address, an IPv6 /64, or a word like `unreadable`
 */
export function networkSteps(network: string): readonly NetworkStep[] {
  const own = { network, times: 1 }
  const groups = firstGroups(network)
  if (groups === undefined) return [own]
  const [a = '0', b = '0', c = '0', d = '0'] = groups
  const upper = (Number.parseInt(d, 16) & 0xff00).toString(16)
  return [
    own,
    { network: `${a}:${b}:${c}:${upper}::/56`, times: timesOf('/56') },
    { network: `${a}:${b}:${c}::/48`, times: timesOf('/48') },
  ]
}

/** How many times the limit of a single network this one may take. */
export function timesOf(network: string): number {
  if (network.endsWith('/48')) return 10
  return network.endsWith('/56') ? 3 : 1
}

/** The four groups of an IPv6 /64 in hexadecimal. */
function firstGroups(network: string): readonly string[] | undefined {
  if (!network.endsWith('/64')) return undefined
  const [left = '', right = ''] = network.slice(0, -3).split('::')
  const [before, after] = [left, right].map((text) => text.split(':').filter(Boolean)) as [string[], string[]]
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, 4)
}
