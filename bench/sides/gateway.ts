import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../test/support/installed.js'
import { type Ground, type StoreKind, storeSecrets } from '../ground.js'
import { answers, Program } from '../program.js'
import { branchHost } from '../seed.js'
import type { Side, Started } from './side.js'

export interface GatewayOptions {
  readonly store?: StoreKind
  readonly rules?: number
  readonly workers?: number
  /** The site has a host of its own, and people sign in there or at the portal. Left out: it answers to any host. */
  readonly signIn?: 'portal' | 'each-host' | undefined
}

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The gateway as people run it: its own command, a YAML file, the whole way of a request. It keeps no log of requests. */
export async function startGateway(
  ground: Ground,
  { store = 'thousand', rules = 10, workers = 1, signIn }: GatewayOptions = {},
): Promise<Program> {
  const { directory, port } = await ground.place('gateway')
  const { yaml } = await ground.store(store)
  const areas = Array.from({ length: rules - 1 }, (_, at) => `{ path: /area-${at}/**, access: second-factor }`)
  const file = join(directory, 'gatelodge.yaml')
  await writeFile(
    file,
    `listen: 127.0.0.1:${port}
workers: ${workers}
publicUrl: http://localhost:${port}
forwardAuth: { peers: [127.0.0.1] }
log: { level: error }
stop: { announce: off }
store: ${yaml}
secrets: ${storeSecrets}
${signIn === undefined ? '' : `signIn: { at: ${signIn} }\n`}sites:
  - ${signIn === undefined ? '' : `host: ${branchHost}\n    `}upstream: http://127.0.0.1:${ground.upstreamPort}
    identity: remote-user
    rules:
${[...areas, '{ path: /public/**, access: public }'].map((rule) => `      - ${rule}\n`).join('')}`,
  )
  const start = { name: 'the gateway', command: process.execPath, args: [main, 'start', '--config', file], port }
  return Program.start({ ...start, cwd: directory }, (at) => answers(at, '/.gatelodge/readyz'))
}

/** A gateway with everybody signed in. */
export async function startSignedIn(ground: Ground, options: GatewayOptions = {}): Promise<Started> {
  const { tokens } = await ground.store(options.store ?? 'thousand')
  const program = await startGateway(ground, options)
  return { program, headers: tokens.map((token) => `Cookie: gatelodge=${token}\r\n`) }
}

function signedIn(name: string, options: GatewayOptions = {}): Side {
  return { name, path: '/x', start: (ground) => startSignedIn(ground, options) }
}

export const gateWithSession = signedIn('gate with session')
export const gateWithManyRules = signedIn('gate with session, 1,000 rules', { rules: 1000 })
export const gateWithManySessions = signedIn('gate with session, 1,000,000 of them', { store: 'million' })

/** As {@link gateWithSession}, at a site with a host of its own. */
export const gateAtHost: Side = {
  ...signedIn('gate with session at a host', { signIn: 'each-host' }),
  host: branchHost,
}

/** At the same site, with a session that was carried there from the portal. */
export const gateWithBranch: Side = {
  name: 'gate with a branch',
  path: '/x',
  host: branchHost,
  start: async (ground) => {
    const { branches } = await ground.store('thousand')
    const program = await startGateway(ground, { signIn: 'portal' })
    return { program, headers: branches.map((token) => `Cookie: gatelodge=${token}\r\n`) }
  },
}

const redis = findProgram('redis-server', 'valkey-server')
export const gateOnRedis: Side = {
  ...signedIn('gate with session, Redis store', { store: 'redis' }),
  missing: redis === undefined ? 'redis-server is not installed (apt-get install redis-server)' : undefined,
}

export const gatePublic: Side = {
  name: 'gate with a public rule',
  path: '/public/x',
  start: async (ground) => ({ program: await startGateway(ground), headers: [''] }),
}

/** What Caddy and Traefik say when they ask. */
const question =
  'X-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: localhost\r\n' +
  'X-Forwarded-Uri: /x?y=1\r\nX-Forwarded-For: 192.0.2.1\r\n'

export const forwardAuth: Side = {
  name: 'forward-auth',
  path: '/.gatelodge/forward-auth',
  start: async (ground) => {
    const { program, headers } = await startSignedIn(ground)
    return { program, headers: headers.map((lines) => lines + question) }
  },
}
