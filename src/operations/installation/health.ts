import { connect } from 'node:net'
import { z } from 'zod'
import type { AuditRecord } from '../../audit/audit.js'
import { Records } from '../../identity/store/records.js'
import type { HealthState, Services } from '../services.js'

/** What is needed and others run. */
export const dependencyView = z.object({
  kind: z.enum(['store', 'users', 'upstream', 'messages', 'audit-out']),
  name: z.string().describe('As the file has it: a directory, a site, a method, an out; as logs and metrics have it.'),
  isUp: z.boolean(),
  since: z.iso.datetime().optional().describe('Since when it is down, or up again.'),
  reason: z.string().optional().describe('Of the last failure.'),
  lastFailureAt: z.iso.datetime().optional(),
  lastSuccessAt: z.iso.datetime().optional(),
  nextTryAt: z.iso.datetime().optional().describe('Until then it is left alone, after failures in a row.'),
})

export type DependencyView = z.output<typeof dependencyView>

interface Change {
  readonly isUp: boolean
  readonly at: number
  readonly reason?: string
}

/** For `audit.onRecord`: what went down and came back, for whichever process is asked. */
export function noteHealth({ store, now }: Pick<Services, 'store' | 'now'>): (record: AuditRecord) => void {
  const changes = new Records<Change>(store, PREFIX)
  return ({ event, details, reason }) => {
    const name = details?.['dependency']
    if (!event.startsWith('dependency.') || typeof name !== 'string') return
    const change = { isUp: event === 'dependency.up', at: now(), ...(reason === undefined ? {} : { reason }) }
    changes.set(name.slice(0, 500), change, KEPT_SECONDS).catch(() => undefined)
  }
}

/**
 * Store, directories and applications are asked one cheap question each, and have a second; of what costs money or writes
 * nothing is asked: there it is what was seen last, by any process.
 */
export async function lookAtHealth(services: Services): Promise<readonly DependencyView[]> {
  const { store, directory, sites = [], messages, dependencies, outs = [] } = services
  const seen = new Map((dependencies?.all() ?? []).map((standing) => [standing.name, standing]))
  const isStoreUp = await answers(store.get('epoch'))
  const changes = isStoreUp ? await changesIn(services) : new Map<string, Change>()
  const about = (kind: DependencyView['kind'], standing: HealthState, isUp = standing.isUp) =>
    viewOf(kind, standing, changes.get(standing.name), isUp)
  const plain = (name: string) => seen.get(name) ?? { name, isUp: true }

  const directories = [...seen.keys()].filter((name) => name.startsWith('users '))
  const askDirectories = async () => {
    const isUp = await answers(directory.find({ username: 'nobody' }))
    // Several are asked as one: which of them does not answer is what was seen of each.
    if (directories.length === 0) return [about('users', { name: 'users', isUp })]
    return directories.map((name) => about('users', plain(name), plain(name).isUp && (isUp || directories.length > 1)))
  }
  const applications = [...new Map(sites.map((site) => [site.upstream, site])).values()].slice(0, MOST_ASKED)
  const askApplications = applications.map(async ({ host = '*', path, upstream }) => {
    const name = `upstream ${path === '/' ? host : host + path}`
    return upstream === 'none' ? [] : [about('upstream', plain(name), await answers(reach(upstream)))]
  })
  return [
    about('store', plain('store'), isStoreUp),
    ...(await askDirectories()),
    ...(await Promise.all(askApplications)).flat(),
    ...messages.standings().map((standing) => about('messages', standing)),
    ...outs.map((name) => about('audit-out', plain(name))),
  ]
}

async function changesIn({ store }: Services): Promise<ReadonlyMap<string, Change>> {
  return new Map(await new Records<Change>(store, PREFIX).list('', { limit: 500 }))
}

function viewOf(
  kind: DependencyView['kind'],
  { name, since, reason, failedAt, workedAt, nextTryAt }: HealthState,
  change: Change | undefined,
  isUpHere: boolean,
): DependencyView {
  const asked = kind === 'messages' || kind === 'audit-out' ? undefined : isUpHere
  // What another process saw go down is down until somebody has seen it work.
  const isDownElsewhere = change?.isUp === false && (workedAt ?? 0) < change.at
  const isUp = asked ?? (isUpHere && !isDownElsewhere)
  const from = since ?? (change?.isUp === isUp ? change.at : undefined)
  const why = reason ?? (change?.isUp === false ? change.reason : undefined)
  const moment = (key: string, ms: number | undefined) =>
    ms === undefined ? {} : { [key]: new Date(ms).toISOString() }
  return {
    kind,
    name,
    isUp,
    ...moment('since', from),
    ...(why === undefined ? {} : { reason: why }),
    ...moment('lastFailureAt', failedAt ?? (change?.isUp === false ? change.at : undefined)),
    ...moment('lastSuccessAt', workedAt),
    ...moment('nextTryAt', nextTryAt),
  }
}

async function answers(question: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, false)
  })
  const isUp = question.then(
    () => true,
    () => false,
  )
  return Promise.race([isUp, late]).finally(() => clearTimeout(timer))
}

/** Opens a connection and closes it. */
function reach(upstream: string): Promise<void> {
  const { protocol, hostname, port } = new URL(upstream)
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    timeout: PATIENCE_MS,
  })
  return new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
    socket.once('timeout', () => reject(new Error('no connection in time')))
  }).finally(() => socket.destroy())
}

const PREFIX = 'health/'
const KEPT_SECONDS = 30 * 24 * 60 * 60
const PATIENCE_MS = 1000
const MOST_ASKED = 50
