import { setTimeout as pause } from 'node:timers/promises'
import { type Audit, type KeptRecord, textOf } from '../../audit/audit.js'
import { done, failed, wrongUse } from '../../exit-codes.js'
import { searchAudit } from '../../operations/audit/audit.js'
import type { AuditView } from '../../operations/audit/audit-view.js'
import { Refusal } from '../../operations/operation.js'
import { byCommand, complain, refusedAt, say, type Terminal, type WithOperations } from '../terminal.js'

/** The rooms that commands about the audit work on. */
export interface AuditRooms extends WithOperations {
  readonly audit: Audit
  readonly now: () => number
}

export interface TailOptions {
  readonly lines?: string
  readonly follow?: boolean
  readonly json?: boolean
}

/** `audit tail`: the newest entries, the newest last; with `follow` those that come, until the signal. */
export async function auditTail(
  services: AuditRooms,
  terminal: Terminal,
  { lines = '20', follow = false, json = false }: TailOptions = {},
  signal?: AbortSignal,
): Promise<number> {
  const wanted = Number(lines)
  if (!/^\d{1,6}$/.test(lines)) return complain(terminal, wrongUse, `"${lines}" is no number of lines.`)
  const { audit } = services
  let last = await audit.count()
  for await (const entry of audit.entries(Math.max(0, last - wanted))) {
    if (entry.number > last) break
    say(terminal, json ? textOf(entry) : sentence({ ...JSON.parse(entry.line), number: entry.number }))
  }
  while (follow && !signal?.aborted) {
    for await (const entry of audit.entries(last)) {
      last = entry.number
      say(terminal, json ? textOf(entry) : sentence({ ...JSON.parse(entry.line), number: entry.number }))
    }
    await pause(LOOK_MS, undefined, { ...(signal && { signal }) }).catch(() => undefined)
  }
  return done
}

export interface SearchOptions {
  readonly user?: string
  readonly event?: string
  readonly outcome?: string
  readonly since?: string
  readonly until?: string
  readonly address?: string
  readonly limit?: string
  readonly json?: boolean
}

/** `audit search`: what fits, the newest first. */
export async function auditSearch(
  services: AuditRooms,
  terminal: Terminal,
  options: SearchOptions = {},
): Promise<number> {
  const { limit = '100', json = false } = options
  if (!/^[1-9]\d{0,6}$/.test(limit)) return complain(terminal, wrongUse, `"${limit}" is no number of entries.`)
  const query = queryOf(services, options)
  if (typeof query === 'string') return complain(terminal, wrongUse, query)
  let left = Number(limit)
  for (let after: string | undefined; ; ) {
    const place = after === undefined ? {} : { after }
    const page = await services.desk.run(searchAudit, { ...query, ...place, limit: Math.min(left, PAGE) }, byCommand)
    if (page instanceof Refusal) {
      return page.reason === 'no-address' ? complain(terminal, wrongUse, page.sentence) : refusedAt(terminal, page)
    }
    for (const entry of page.items) say(terminal, json ? JSON.stringify(entry) : sentence(entry))
    left -= page.items.length
    after = page.next
    if (after === undefined || left <= 0) return done
  }
}

/** As many as the desk hands out at once. */
const PAGE = 100

/** `audit export`: every entry with its number and hash, one line of JSON each, the oldest first. */
export async function auditExport(
  services: AuditRooms,
  terminal: Terminal,
  { since, until }: { readonly since?: string; readonly until?: string } = {},
): Promise<number> {
  const from = since === undefined ? undefined : timeIn(since, services.now())
  const to = until === undefined ? undefined : timeIn(until, services.now())
  if (since !== undefined && from === undefined) return complain(terminal, wrongUse, noTime(since))
  if (until !== undefined && to === undefined) return complain(terminal, wrongUse, noTime(until))
  const start = from === undefined ? 0 : await services.audit.startOf(from)
  for await (const entry of services.audit.entries(start)) {
    const time = from === undefined && to === undefined ? 0 : Date.parse(JSON.parse(entry.line).time)
    if ((from !== undefined && time < from) || (to !== undefined && time > to)) continue
    if (!terminal.stdout.write(`${textOf(entry)}\n`))
      await new Promise((drained) => terminal.stdout.once('drain', drained))
  }
  return done
}

/** `audit verify`: 0 when everything is as it was written, 1 when not. */
export async function auditVerify(
  services: Pick<AuditRooms, 'audit'>,
  terminal: Terminal,
  { head, json = false }: { readonly head?: string; readonly json?: boolean } = {},
): Promise<number> {
  const anchor = head?.replace(/^\d+:/, '')
  if (anchor !== undefined && !/^[\w-]{43}$/.test(anchor)) {
    return complain(terminal, wrongUse, 'A head is 43 letters and digits, as `audit verify` prints it.')
  }
  const verdict = await services.audit.verify(anchor)
  const code = verdict.intact ? done : failed
  if (json) {
    say(terminal, JSON.stringify(verdict, undefined, 2))
    return code
  }
  for (const { sentence } of verdict.breaks) say(terminal, `BROKEN  ${sentence}`)
  const { entries, first, removed, startedAt, keyedFrom } = verdict
  const from =
    first === undefined
      ? ''
      : `, from number ${first.number} (${first.time}) to ${verdict.head.number} (${verdict.head.time})`
  say(terminal, `${verdict.intact ? 'intact' : 'NOT INTACT'}: ${entries} entries${from}`)
  if (startedAt !== undefined) say(terminal, `the chain began at ${startedAt}; what is older is not protected by it`)
  if (removed > 0) say(terminal, `removed by retention: ${removed}`)
  if (keyedFrom !== undefined) say(terminal, `linked with a key from number ${keyedFrom} on`)
  if (verdict.anchor !== undefined) say(terminal, `the head that was given is number ${verdict.anchor}`)
  say(terminal, `head: ${verdict.head.number}:${verdict.head.hash}`)
  return code
}

/** What is asked of the desk, or what is wrong with what was asked for. */
function queryOf({ now }: Pick<AuditRooms, 'now'>, options: SearchOptions): object | string {
  const { user, event, outcome, since, until, address } = options
  const from = since === undefined ? undefined : timeIn(since, now())
  if (since !== undefined && from === undefined) return noTime(since)
  const to = until === undefined ? undefined : timeIn(until, now())
  if (until !== undefined && to === undefined) return noTime(until)
  return {
    ...(user === undefined ? {} : { who: user }),
    ...(event === undefined ? {} : { event }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(from === undefined ? {} : { since: new Date(from).toISOString() }),
    ...(to === undefined ? {} : { until: new Date(to).toISOString() }),
    ...(address === undefined ? {} : { address }),
  }
}

/** A day or moment in UTC, or how long ago. */
function timeIn(text: string, now: number): number | undefined {
  const ago = /^(\d{1,9})([smhd])$/.exec(text)
  if (ago !== null) return now - Number(ago[1]) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[ago[2] ?? 's'] ?? 1) * 1000
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?))?(Z|[+-]\d\d:\d\d)?$/.exec(text)
  if (parts === null) return undefined
  const time = Date.parse(`${parts[1]}T${parts[2] ?? '00:00'}${parts[3] ?? 'Z'}`)
  return Number.isNaN(time) ? undefined : time
}

function noTime(text: string): string {
  return `"${text}" is no time: give a day or moment in UTC, as in 2026-02-28 or 2026-02-28T13:30, or how long ago, as in 24h.`
}

/** How often `--follow` looks. */
const LOOK_MS = 300

/** One line for a person. */
function sentence(record: KeptRecord | AuditView): string {
  const { time, event, outcome, username, nameHash, address, method, by, reason, details } = record
  const whose = username ?? (nameHash === undefined ? '-' : '(unknown name)')
  const more = [
    method,
    reason,
    by === undefined ? undefined : `by ${by}`,
    details === undefined ? undefined : JSON.stringify(details),
  ]
  const words = [time, event.padEnd(24), outcome.padEnd(8), whose.padEnd(12), (address ?? '-').padEnd(15), ...more]
  // A name that was typed by somebody must not steer the terminal.
  return words
    .filter((word) => word !== undefined)
    .join('  ')
    .replace(/\p{C}/gu, '?')
    .trimEnd()
}
