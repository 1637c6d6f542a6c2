import { findRangeProblem } from '../../../access/client-address.js'
import { hostName } from '../../../access/policy.js'
import { parseDuration } from '../../../config/scalars.js'
import type { SecondFactor } from '../../../contracts.js'
import { done, wrongUse } from '../../../exit-codes.js'
import { type Operation, Refusal } from '../../../operations/operation.js'
import {
  endExemption,
  exemptUser,
  limitAddresses,
  requireSecondFactor,
  switchMethods,
} from '../../../operations/users/policy.js'
import type { UserView } from '../../../operations/users/view.js'
import { byCommand, complain, refusedAt, say, type Terminal, type WithOperations } from '../../terminal.js'
import { exemptionWords } from './policy-lines.js'

/** The rooms that commands about the policy of one user work on. */
export interface UserPolicyRooms extends WithOperations {
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly config: { readonly sites: ReadonlyArray<{ readonly host?: string | undefined }> }
  readonly now: () => number
}

/** As given on the command line. */
export interface ExemptOptions {
  readonly reason?: string
  readonly site?: readonly string[]
  readonly network?: readonly string[]
  readonly until?: string
  readonly for?: string
  readonly off?: boolean
}

/** `user require NAME [--off]`: a second factor is required of this user, whatever the installation asks. */
export async function userRequire(
  services: UserPolicyRooms,
  terminal: Terminal,
  name: string,
  { off = false }: { readonly off?: boolean } = {},
): Promise<number> {
  return order(services, terminal, requireSecondFactor, { user: name, required: !off }, ({ username }) =>
    off
      ? `A second factor is no longer required of ${username} alone.`
      : `A second factor is required of ${username} from the next request on.`,
  )
}

/** `user exempt NAME --reason TEXT [--site HOST] [--network CIDR] [--until DATE | --for TIME]`, or `--off`. */
export async function userExempt(
  services: UserPolicyRooms,
  terminal: Terminal,
  name: string,
  options: ExemptOptions,
): Promise<number> {
  const { off = false, ...said } = options
  if (off && Object.values(said).some((value) => value !== undefined)) {
    return complain(terminal, wrongUse, '--off takes the exemption back; it goes with nothing else.')
  }
  const exemption = off ? undefined : exemptionOf(services, said)
  if (typeof exemption === 'string') return complain(terminal, wrongUse, exemption)
  if (exemption === undefined) {
    return order(services, terminal, endExemption, { user: name }, ({ username }) => `${username} is no longer exempt.`)
  }
  return order(services, terminal, exemptUser, { user: name, ...exemption }, ({ username }) => {
    return `${username} need not give a second factor: ${exemptionWords(exemption)}.`
  })
}

/** `user addresses NAME CIDR...`: the only networks this user may come from; `--any`: from everywhere. */
export async function userAddresses(
  services: UserPolicyRooms,
  terminal: Terminal,
  name: string,
  addresses: readonly string[],
  { any = false }: { readonly any?: boolean } = {},
): Promise<number> {
  if (any === addresses.length > 0) {
    return complain(terminal, wrongUse, 'Name the networks, as in 10.0.0.0/8 or 2001:db8::/32, or say --any.')
  }
  const fault = rangeFault(addresses)
  if (fault !== undefined) return complain(terminal, wrongUse, fault)
  return order(services, terminal, limitAddresses, { user: name, addresses }, ({ username }) =>
    any ? `${username} may come from anywhere.` : `${username} may come from ${addresses.join(', ')} only.`,
  )
}

/** `user methods NAME --off sms --on email`: from the next sign-in on. */
export async function userMethods(
  services: UserPolicyRooms,
  terminal: Terminal,
  name: string,
  { off = [], on = [] }: { readonly off?: readonly string[]; readonly on?: readonly string[] },
): Promise<number> {
  if (off.length + on.length === 0) {
    return complain(terminal, wrongUse, 'Say which methods: --off sms, --on email, or both.')
  }
  const methods = [...services.secondFactors.keys()]
  const unknown = [...off, ...on].find((use) => !methods.includes(use))
  if (unknown !== undefined) {
    return complain(terminal, wrongUse, `There is no method "${unknown}": there are ${methods.join(', ')}.`)
  }
  const both = off.find((use) => on.includes(use))
  if (both !== undefined) return complain(terminal, wrongUse, `${both} cannot be switched off and on at once.`)
  return order(services, terminal, switchMethods, { user: name, off, on }, ({ username, methodsOff }) =>
    methodsOff.length === 0
      ? `${username} may use every method, from the next sign-in on.`
      : `${username} may not use ${methodsOff.join(', ')}, from the next sign-in on.`,
  )
}

async function order(
  { desk }: WithOperations,
  terminal: Terminal,
  operation: Operation,
  input: object,
  sentence: (user: UserView) => string,
): Promise<number> {
  const changed = await desk.run(operation, input, byCommand)
  if (changed instanceof Refusal) return refusedAt(terminal, changed)
  say(terminal, sentence(changed as UserView))
  return done
}

/** The exemption that was asked for, or what is wrong with it. */
function exemptionOf(
  services: UserPolicyRooms,
  options: Omit<ExemptOptions, 'off'>,
): NonNullable<UserView['exemption']> | string {
  const { reason = '', site = [], network = [], until, for: time } = options
  if (reason.trim() === '') return 'Say why: --reason "..." (and --off takes an exemption back).'
  const hosts = services.config.sites.flatMap(({ host }) => host ?? [])
  const sites: string[] = []
  for (const text of site) {
    const host = hostName(text)
    if (host === undefined || !hosts.some((known) => hostName(known) === host)) {
      const known = hosts.length === 0 ? 'no site of the file has a host' : `there are ${hosts.join(', ')}`
      return `There is no site with the host "${text}": ${known}.`
    }
    sites.push(host)
  }
  const fault = rangeFault(network)
  if (fault !== undefined) return fault
  if (until !== undefined && time !== undefined) return 'An exemption ends once: --until or --for.'
  const end = endOf(services.now(), until, time)
  if (typeof end === 'string') return end
  return {
    reason: reason.trim(),
    ...(sites.length === 0 ? {} : { sites }),
    ...(network.length === 0 ? {} : { networks: [...network] }),
    ...(end === undefined ? {} : { until: new Date(end).toISOString() }),
  }
}

function rangeFault(ranges: readonly string[]): string | undefined {
  for (const range of ranges) {
    const problem = findRangeProblem(range)
    if (problem !== undefined) return `"${range}" is no network: ${problem}.`
  }
  return undefined
}

/** In milliseconds since 1970; a sentence where it is no end. A day counts to its end, in UTC. */
function endOf(now: number, until: string | undefined, time: string | undefined): number | string | undefined {
  if (time !== undefined) {
    const seconds = parseDuration(time)
    return seconds === undefined ? `"${time}" is no time: it is written as in 12h or 30d.` : now + seconds * 1000
  }
  if (until === undefined) return undefined
  const isDay = /^\d{4}-\d\d-\d\d$/.test(until)
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(until)
  const end = Date.parse(until) + (isDay ? DAY_MS : 0)
  const isReal = isDay ? new Date(end - DAY_MS).toISOString().startsWith(until) : !Number.isNaN(end)
  if (!(isDay || isMoment) || Number.isNaN(end) || !isReal) {
    return `"${until}" is no end: it is a day or a moment, as in 2026-12-31 or 2026-12-31T18:00Z.`
  }
  return end > now ? end : `${until} is over already.`
}

const DAY_MS = 24 * 60 * 60_000
