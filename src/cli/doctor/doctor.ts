import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { openMail, openStore } from '../../app.js'
import { keySettings } from '../../config/key-settings.js'
import { formatProblem } from '../../config/problem.js'
import { isLoopback } from '../../config/scalars.js'
import type { Config } from '../../config/schema.js'
import { warningsAbout } from '../../config/warnings.js'
import type { Logger, Store } from '../../contracts.js'
import { done, failed } from '../../exit-codes.js'
import { checkConfig } from '../../plugin-host/check-config.js'
import { isAnswered } from '../../runtime/control.js'
import { controlSocket } from '../../runtime/control-socket.js'
import { sentenceOf } from '../../runtime/error-text.js'
import { profileLines } from '../commands/check.js'
import { type DoctorFinding, fail, ok, warn } from './finding.js'
import { examineKeys } from './keys.js'
import { examinePortal } from './portal.js'
import { examineTraces } from './traces.js'
import { examineUpstream } from './upstreams.js'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const surroundings = { log: silent, now: () => Date.now() }

/** Bytes that should be free where data is kept. */
const scarceBytes = 1024 ** 3
const fewestBytes = 64 * 1024 ** 2

/**
 * `gatelodge doctor`: is everything the gateway needs there and reachable? Nothing is sent to anybody and nothing is
 * changed but one entry of its own in the store, which it removes again.
 * @returns the exit code
 */
export async function doctor({ config: file, json }: { config: string; json?: boolean }): Promise<number> {
  const findings: DoctorFinding[] = [examineNode()]
  const checked = await checkConfig(file, process.env)
  if ('problems' in checked) {
    const todo = `correct ${checked.problems.map(formatProblem).join('\n')}`
    findings.push(fail('configuration', `${file} has mistakes`, todo))
  } else {
    findings.push(ok('configuration', `${file} is fine`))
    findings.push(...profileLines(checked.config).map((line) => ok('profile', line)))
    const todo = 'correct it in the file, or know why not: gatelodge check'
    findings.push(...warningsAbout(checked.config).map((warning) => warn('configuration', warning, todo)))
    findings.push(...(await examine(checked.config)))
  }
  const isWell = findings.every(({ status }) => status !== 'fail')
  process.stdout.write(json ? `${JSON.stringify({ ok: isWell, findings }, null, 2)}\n` : findings.map(lineOf).join(''))
  return isWell ? done : failed
}

async function examine(config: Config): Promise<DoctorFinding[]> {
  const upstreams = [...new Map(config.sites.map((site) => [keyOf(site), site])).values()]
  const groups = await Promise.all([
    examineListener(config),
    examinePublicUrl(config),
    examinePortal(config),
    examineData(config),
    examineStore(config),
    ...upstreams.map((site) => examineUpstream(site, surroundings.now())),
    examineMail(config),
    examineSms(config),
    examineTraces(process.env),
  ])
  return groups.flat()
}

function keyOf({ upstream, upstreamTls }: Config['sites'][number]): string {
  return JSON.stringify([upstream, upstreamTls])
}

function examineNode(): DoctorFinding {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 22) return ok('node', `Node ${process.versions.node}`)
  return warn('node', `Node ${process.versions.node} gets no more security fixes`, 'run on Node 24')
}

async function examineListener(config: Config): Promise<DoctorFinding> {
  const { host, port } = config.listen
  const address = `${host}:${port}`
  if (await isAnswered(controlSocket(config)).catch(() => false)) {
    return ok('listener', `a gateway runs with this file and listens at ${address}`)
  }
  const server = createServer()
  const fault = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve)
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
  if (fault === undefined) return ok('listener', `${address} is free for the gateway to listen at`)
  if (fault.code === 'EADDRINUSE') {
    return fail('listener', `${address} is taken by another program`, 'stop that one, or change listen')
  }
  return fail('listener', `${address} cannot be listened at: ${fault.code}`, 'change listen, or the rights of the user')
}

async function examinePublicUrl({ publicUrl, signIn, sites }: Config): Promise<DoctorFinding[]> {
  const { protocol, hostname } = new URL(publicUrl)
  const findings: DoctorFinding[] = []
  if (protocol === 'http:' && !isLoopback(hostname)) {
    findings.push(
      warn(
        'public URL',
        `${publicUrl} is not https: passwords and cookies can be read on the way`,
        'serve it by https',
      ),
    )
  }
  if (signIn.at === 'each-host' && sites.every(({ host }) => host !== undefined && host !== hostname)) {
    findings.push(
      warn('public URL', `no site has the host of ${publicUrl}: links in mail lead nowhere`, 'name a host of a site'),
    )
  }
  return findings.length > 0 ? findings : [ok('public URL', publicUrl)]
}

function whetherItCanBeMade(directory: string): DoctorFinding {
  let parent = dirname(directory)
  while (!existsSync(parent)) parent = dirname(parent)
  try {
    if (!statSync(parent).isDirectory()) throw new Error('is not a directory')
    accessSync(parent, constants.W_OK | constants.X_OK)
    return ok('data directory', `${directory} will be made at the first start`)
  } catch {
    const todo = `make it, as a directory of the gateway's user alone: mkdir -m 700 ${directory}`
    return fail('data directory', `${directory} is not there, and cannot be made in ${parent}`, todo)
  }
}

async function examineData({ store, baseDirectory }: Config): Promise<DoctorFinding[]> {
  if (store.use !== 'embedded') return []
  const path = store['path']
  const directory = resolve(baseDirectory, typeof path === 'string' ? path : './data')
  if (!existsSync(directory)) return [whetherItCanBeMade(directory)]
  const { mode, uid } = statSync(directory)
  const findings: DoctorFinding[] = []
  if (process.getuid !== undefined && uid !== process.getuid()) {
    const todo = 'run as that user, as in: sudo -u NAME gatelodge doctor'
    findings.push(fail('data directory', `${directory} belongs to the user with id ${uid}`, todo))
  }
  if ((mode & 0o077) !== 0) {
    findings.push(fail('data directory', `${directory} can be opened by others`, `chmod 700 ${directory}`))
  }
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  const megabytes = `${Math.floor(free / 1024 ** 2)} MB are free`
  if (free < fewestBytes)
    findings.push(fail('data directory', megabytes, 'make room: nobody can sign in on a full disk'))
  else if (free < scarceBytes) findings.push(warn('data directory', megabytes, 'make room before the disk is full'))
  return findings.length > 0 ? findings : [ok('data directory', `${directory}, closed to others, ${megabytes}`)]
}

async function examineStore(config: Config): Promise<DoctorFinding[]> {
  const { use } = config.store
  const path = config.store['path']
  const directory = resolve(config.baseDirectory, typeof path === 'string' ? path : './data')
  // Opening it would make it, as the user who asks.
  if (use === 'embedded' && !existsSync(join(directory, 'gatelodge.mdb'))) {
    return [
      warn('store', 'is not there yet', 'start the gateway, then add an owner: gatelodge user add NAME --role owner'),
      ...(await examineSecondFactor(config)),
    ]
  }
  let store: Store | undefined
  // What a store warns of at the start is no secret of the log.
  const warnings: DoctorFinding[] = []
  const log = {
    ...silent,
    warn: (_: object, words: string) => void warnings.push(warn('store', words, 'see docs/store.md')),
  }
  try {
    store = await openStore(config, { ...surroundings, log })
    const key = `doctor/${process.pid}`
    const started = performance.now()
    await store.set(key, started, 60)
    const kept = await store.get(key)
    await store.delete(key)
    if (kept !== started) return [fail('store', `${use} gave back something else than was kept`, 'look at its log')]
    const ms = Math.ceil(performance.now() - started)
    const slow = ms > 250 ? [warn('store', `${use} took ${ms} ms`, 'look at its disk or network')] : []
    return [
      ...warnings,
      ...(slow.length > 0 ? slow : [ok('store', `${use} answers in ${ms} ms`)]),
      await examineOwners(store),
      ...(await examineSecondFactor(config, store)),
      ...(await examineKeys(store, keySettings(config))),
    ]
  } catch (fault) {
    return [fail('store', sentenceOf(fault), 'nobody can sign in until this is mended')]
  } finally {
    await store?.close()
  }
}

/** @param store of which a change at run time is read, unless the file locks what it says */
async function examineSecondFactor({ secondFactor, settings }: Config, store?: Store): Promise<DoctorFinding[]> {
  const changed = (await store?.get('settings')) as { [key: string]: { value?: unknown } } | undefined
  const isLocked = settings.locked.includes('secondFactor.required')
  const override = isLocked ? undefined : changed?.['secondFactor.required']?.value
  const required = override ?? secondFactor.required
  if (required === 'everyone') return [ok('second factor', 'asked of everybody')]
  return [
    warn(
      'second factor',
      'asked only of people who have set one up; the password alone lets everybody else in',
      'write secondFactor: { required: everyone } in the file, or: gatelodge settings set secondFactor.required everyone',
    ),
  ]
}

async function examineOwners(store: Store): Promise<DoctorFinding> {
  let owners = 0
  let after: string | undefined
  for (;;) {
    const rows = await store.list('account/', { limit: 500, ...(after === undefined ? {} : { after }) })
    for (const [, value] of rows) {
      const { role, status } = value as { role?: unknown; status?: unknown }
      if (role === 'owner' && status === 'active') owners += 1
    }
    after = rows.at(-1)?.[0]
    if (rows.length < 500) break
  }
  if (owners > 0) return ok('owners', `${owners} active`)
  return warn('owners', 'there is none', 'gatelodge user add NAME --role owner')
}

async function examineMail(config: Config): Promise<DoctorFinding[]> {
  if (config.mail === undefined) {
    return [warn('mail', 'none is sent: no codes, links or notices by mail', 'say how with mail: { use: smtp, … }')]
  }
  const { use } = config.mail
  try {
    const mail = await openMail(config, surroundings)
    try {
      if (mail?.check === undefined) return [ok('mail', `${use}: its options are right; nothing was sent`)]
      await mail.check()
      return [ok('mail', `${use}: the server takes our greeting and our credentials; nothing was sent`)]
    } finally {
      await mail?.close?.()
    }
  } catch (fault) {
    return [fail('mail', `${use}: ${sentenceOf(fault)}`, 'codes and links by mail are not sent until this is mended')]
  }
}

async function examineSms({ secondFactor }: Config): Promise<DoctorFinding[]> {
  const sms = secondFactor.methods.find(({ use }) => use === 'sms')
  if (sms === undefined) return []
  const transport = sms['transport'] as { use?: unknown } | undefined
  if (transport?.use === 'outbox') {
    return [warn('text messages', 'outbox only shows them', 'name a provider: transport: { use: twilio, … }')]
  }
  return [ok('text messages', `${String(transport?.use)}: its options are right; nothing was sent`)]
}

function lineOf({ status, what, says, todo }: DoctorFinding): string {
  const more = todo === undefined ? '' : `\n      ${todo.replaceAll('\n', '\n      ')}`
  return `${status.padEnd(4)}  ${what}: ${says}${more}\n`
}
