import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, startChild } from './child.js'
import { freePort } from './free-port.js'
import { findProgram, skipWithout } from './installed.js'
import { until } from './poll.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

/** The proxies of the distribution, each running what its recipe in docs/recipes shows. */

const programs = {
  nginx: { path: findProgram('nginx'), package: 'nginx-light' },
  caddy: { path: findProgram('caddy'), package: 'caddy' },
  haproxy: { path: findProgram('haproxy'), package: 'haproxy' },
} as const

export type ProxyName = keyof typeof programs

/** For tap's `skip`. */
export function skipWithoutProxy(name: ProxyName): string | false {
  const { path, package: of } = programs[name]
  return skipWithout(`${name} (apt-get install ${of})`, path)
}

/** What stands behind the proxy, by port of 127.0.0.1. */
export interface Behind {
  readonly gateway: number
  readonly application: number
  /** Where the gateway is asked; 127.0.0.1 when left out. */
  readonly gatewayHost?: string
}

/** nginx that asks, or that stands in front of the gateway. @returns its port */
export async function startNginx(t: Scope, as: 'asks' | 'plain', behind: Behind): Promise<number> {
  const [asks = '', plain = ''] = blocksOf('nginx', 'nginx')
  return runNginx(t, placed(as === 'asks' ? asks : plain, behind))
}

async function runNginx(t: Scope, servers: string): Promise<number> {
  const { port, directory } = await place(t)
  const server = servers
    .replaceAll('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/^ *ssl_certificate.*\n/gm, '')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  )
  const file = join(directory, 'nginx.conf')
  await writeFile(
    file,
    `daemon off; master_process off; pid ${join(directory, 'pid')}; error_log stderr warn;
events { worker_connections 256; }
http { access_log off; server_tokens off; ${paths.join(' ')}\n${server}\n}\n`,
  )
  await run(t, 'nginx', ['-e', 'stderr', '-p', directory, '-c', file], port)
  return port
}

export async function startCaddy(t: Scope, behind: Behind): Promise<number> {
  const [site = ''] = blocksOf('caddy', 'caddyfile')
  return runCaddy(t, placed(site, behind))
}

/** @param site a Caddyfile, of which every site is served on one port of this machine instead; one alone by any name */
export async function runCaddy(t: Scope, site: string): Promise<number> {
  const { port, directory } = await place(t)
  const file = join(directory, 'Caddyfile')
  const names = [...site.matchAll(/^([\w.]+) \{\n/gm)]
  const own = site.replace(/^([\w.]+) \{\n/gm, (_, name: string) => {
    return `http://${names.length === 1 ? '' : name}:${port} {\n\tbind 127.0.0.1\n`
  })
  const options = '{\n\tadmin off\n\tauto_https off\n}\n'
  await writeFile(file, options + own)
  const env = { ...process.env, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }
  await run(t, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], port, env)
  return port
}

export async function startHaproxy(t: Scope, behind: Behind): Promise<number> {
  const [config = ''] = blocksOf('haproxy', 'haproxy')
  return runHaproxy(t, placed(config, behind), behind)
}

async function runHaproxy(t: Scope, config: string, behind: Behind): Promise<number> {
  const { port, directory } = await place(t)
  const [lua = ''] = blocksOf('haproxy', 'lua')
  const script = join(directory, 'gatelodge.lua')
  const file = join(directory, 'haproxy.cfg')
  await writeFile(script, placed(lua, behind))
  await writeFile(
    file,
    config.replace('/etc/haproxy/gatelodge.lua', script).replace(/bind :443 ssl crt \S+/, `bind 127.0.0.1:${port}`),
  )
  await run(t, 'haproxy', ['-db', '-f', file], port)
  return port
}

/** What stands behind a proxy of the recipe for several hosts. */
export interface BehindSeveral extends Behind {
  /** Of the second application. */
  readonly second: number
}

/** One of the proxies that ask, as the recipe for several hosts has it. @returns its port */
export async function startForSeveralHosts(t: Scope, name: ProxyName, behind: BehindSeveral): Promise<number> {
  const [config = ''] = blocksOf('several-hosts', { nginx: 'nginx', caddy: 'caddyfile', haproxy: 'haproxy' }[name])
  const ours = placed(config, behind)
    .replaceAll('127.0.0.1:4000', `127.0.0.1:${behind.second}`)
    .replaceAll('login.example.com', 'login.localhost')
  if (name === 'nginx') return runNginx(t, ours)
  return name === 'caddy' ? runCaddy(t, ours) : runHaproxy(t, ours, behind)
}

/** The gateway's own file of that recipe, for one without TLS, which only localhost may be: the portal is login.localhost. */
export function severalHostsYaml(): string {
  const [yaml = ''] = blocksOf('several-hosts', 'yaml')
  return yaml
    .replace('listen: 127.0.0.1:8080', 'listen: 127.0.0.1:0')
    .replace('https://login.example.com', 'http://login.localhost')
}

async function place(t: Scope) {
  const directory = await temporaryDirectory(t)
  await mkdir(directory, { recursive: true })
  return { directory, port: await freePort() }
}

/** The blocks of code in one language that a recipe shows. */
function blocksOf(recipe: string, language: string): string[] {
  const page = readFileSync(fileURLToPath(new URL(`../../../docs/recipes/${recipe}.md`, import.meta.url)), 'utf8')
  return page
    .split(`\`\`\`${language}\n`)
    .slice(1)
    .map((rest) => rest.split('```')[0] ?? '')
}

function placed(text: string, { gateway, application, gatewayHost = '127.0.0.1' }: Behind): string {
  return text
    .replaceAll('127.0.0.1:8080', `${gatewayHost}:${gateway}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${application}`)
}

async function run(
  t: Scope,
  name: ProxyName,
  args: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Child> {
  const { path } = programs[name]
  if (path === undefined) throw new Error(`${name} is not installed`)
  const child = startChild(path, args, { env })
  t.teardown(() => child.end('SIGKILL'))
  await until(
    `${name} to listen`,
    () => {
      if (child.ended() !== undefined) throw new Error(`${name} ended with ${child.ended()}:\n${child.output()}`)
      return isListening(port)
    },
    30_000,
  )
  return child
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
