import { BlockList, isIP } from 'node:net'

/** Which sessions and devices are meant. Everything that is said has to fit. */
export interface ClearScope {
  /** Host of the site they were opened on, or have been to. */
  readonly site?: string
  /** A group the user was in when they were opened. */
  readonly group?: string
  /** CIDR notation: where they were opened from. */
  readonly network?: string
  /** Only what was begun before this moment, ms since 1970. */
  readonly begunBefore?: number
}

/** What was cleared, and when: a line that is looked at when a session is found, so that clearing costs the same for any number. */
export interface ClearRule extends ClearScope {
  readonly at: number
  /** Remembered devices, too. */
  readonly devices?: true
}

/** What a rule is held against. */
export interface Clearable {
  /** When its first proof was given: what was half-way when the rule came is cleared with the rest. */
  readonly since: number
  /** Where it was opened, and where it was carried to since. */
  readonly sites?: readonly string[] | undefined
  readonly groups?: readonly string[] | undefined
  readonly address: string
}

export function isCleared(rules: readonly ClearRule[] | undefined, it: Clearable, isDevice = false): boolean {
  return rules?.some((rule) => (!isDevice || rule.devices === true) && fits(rule, it)) ?? false
}

/**
 * The rules with another one. One of the same scope takes the place of the old one, and what no session is old enough for any
 * more is dropped, so the list stays short.
 * @param keptMs how long a session can be kept at most
 * @returns `undefined`: there are too many
 */
export function withRule(
  rules: readonly ClearRule[] | undefined,
  rule: ClearRule,
  keptMs: number,
): readonly ClearRule[] | undefined {
  const others = (rules ?? []).filter((old) => old.at > rule.at - keptMs && !replaces(rule, old))
  return others.length >= MOST ? undefined : [...others, rule]
}

function fits({ at, site, group, network, begunBefore }: ClearRule, it: Clearable): boolean {
  if (it.since > at || (begunBefore !== undefined && it.since >= begunBefore)) return false
  if (site !== undefined && it.sites?.includes(site) !== true) return false
  if (group !== undefined && it.groups?.includes(group) !== true) return false
  return network === undefined || isIn(network, it.address)
}

/** Whatever the old one clears is cleared by the new one. */
function replaces(rule: ClearRule, old: ClearRule): boolean {
  if (rule.site !== old.site || rule.group !== old.group || rule.network !== old.network) return false
  if (old.devices && !rule.devices) return false
  return rule.begunBefore === undefined || (old.begunBefore ?? Number.POSITIVE_INFINITY) <= rule.begunBefore
}

/** An address that cannot be read is in every network: it is cleared rather than kept. */
function isIn(network: string, address: string): boolean {
  const family = isIP(address)
  if (family === 0) return true
  const [start = '', bits = ''] = network.split('/')
  const list = new BlockList()
  list.addSubnet(start, Number(bits), isIP(start) === 6 ? 'ipv6' : 'ipv4')
  return list.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** Looked at for every session that is not known yet, so not a history. */
const MOST = 64
