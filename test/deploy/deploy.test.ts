import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { request } from 'undici'
import { parse } from 'yaml'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { freePort } from '../support/free-port.js'
import { application } from '../support/front-door.js'
import { startGateway } from '../support/gateway.js'
import { findProgram } from '../support/installed.js'
import { runCaddy, skipWithoutProxy } from '../support/other-proxies.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { testKey } from '../support/sealer.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

/** What is in `deploy/`, as far as it can be tried without a container engine. */

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (name: string) => readFileSync(join(root, name), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: string
  readonly restart?: string
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly networks?: readonly string[] | Record<string, unknown>
  readonly command?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Record<string, { readonly condition: string }>
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly privileged?: boolean
  readonly user?: string
  readonly secrets?: readonly string[]
}

interface Compose {
  readonly services: Record<string, Service>
  readonly volumes?: Record<string, unknown>
  readonly networks?: Record<string, { readonly internal?: boolean } | null>
}

for (const name of ['compose.yaml', 'compose.valkey.yaml']) {
  t.test(
    `${name}: every file, volume, network and service that is named is there, and nothing has more rights than it needs`,
    async (t) => {
      const { services, volumes = {}, networks = {} }: Compose = parse(read(`deploy/${name}`), { merge: true })
      const gateways = Object.entries(services).filter(([, { build }]) => build !== undefined)
      t.equal(gateways.length, name === 'compose.yaml' ? 1 : 2)
      for (const [title, service] of Object.entries(services)) {
        t.ok(
          service.image?.includes(':') || existsSync(join(root, 'deploy', service.build ?? 'none')),
          `${title}: an image of a version`,
        )
        t.equal(service.restart, 'unless-stopped', title)
        t.notOk(service.privileged, title)
        for (const volume of service.volumes ?? []) {
          const [source = ''] = volume.split(':')
          t.ok(
            source.startsWith('.') ? existsSync(join(root, 'deploy', source)) : source in volumes,
            `${title}: ${volume}`,
          )
        }
        const named = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {})
        for (const network of named) t.ok(network in networks, `${title}: ${network}`)
        for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
          t.ok(other in services, `${title}: ${other}`)
          if (condition === 'service_healthy') t.ok(services[other]?.healthcheck, `${other} says whether it is well`)
        }
      }
      for (const [title, gateway] of gateways) {
        t.match(gateway, { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }, title)
        t.ok(
          gateway.volumes?.some((one) => one.endsWith(':/etc/gatelodge/gatelodge.yaml:ro')),
          title,
        )
        t.same(gateway.secrets, ['gatelodge-key'], 'the key is mounted, and no part of a volume')
        t.equal(gateway.user, undefined, 'the image says which')
        t.equal(gateway.stop_grace_period, '40s', 'longer than stop.announce, stop.deadline and messages on their way')
      }
      t.notOk(services['application']?.ports, 'nobody reaches the application but through the gateway')
    },
  )
}

/** Where the compose files mount the key, something else. */
function withKeyAt(yaml: string, file: string): string {
  const mounted = '/run/secrets/gatelodge-key'
  if (!yaml.includes(mounted)) throw new Error('the file names no key')
  return yaml.replace(mounted, file)
}

for (const name of ['gatelodge.yaml', 'gatelodge.valkey.yaml']) {
  t.test(`${name} is a file the gateway takes`, async (t) => {
    const file = join(t.testdir({ key: testKey }), name)
    writeFileSync(file, withKeyAt(read(`deploy/${name}`), './key'))
    const checked = await checkConfig(file, {})
    t.ok('config' in checked, name, checked)
    if (!('config' in checked)) return
    const services: Compose['services'] = parse(read(`deploy/${name.replace('gatelodge', 'compose')}`), {
      merge: true,
    }).services
    for (const { upstream } of checked.config.sites) t.ok(new URL(upstream).hostname in services, upstream)
    t.equal(checked.config.listen.host, '0.0.0.0')
  })
}

t.test('Valkey writes everything down and throws nothing away, and nobody but the gateways reaches it', async (t) => {
  const { services, networks }: Compose = parse(read('deploy/compose.valkey.yaml'), { merge: true })
  const command = services['valkey']?.command?.join(' ') ?? ''
  for (const word of ['--appendonly yes', '--maxmemory-policy noeviction']) t.match(command, word)
  t.same(services['valkey']?.networks, ['back'])
  t.equal(networks?.['back']?.internal, true)
  t.notOk(services['valkey']?.ports)
  const caddy = services['caddy']?.networks as { front?: { ipv4_address?: string } }
  t.match(read('deploy/gatelodge.valkey.yaml'), `trustedProxies: [${caddy.front?.ipv4_address}]`)
})

t.test('the image runs as nobody in particular, says whether it is well, and stops in order', async (t) => {
  const file = read('Dockerfile')
  const last = file.slice(file.lastIndexOf('\nFROM '))
  t.match(last, /\nUSER node\n/)
  t.match(last, /\nSTOPSIGNAL SIGTERM\n/)
  t.match(last, /\nVOLUME \/data\n/)
  for (const [, from = ''] of last.matchAll(/COPY --from=build (?:--chown=\S+ )?\/app\/(\S+)/g)) {
    if (!['node_modules', 'dist'].includes(from)) t.ok(existsSync(join(root, from)), from)
  }
  // Its health check, as it stands there, against a gateway.
  const [, json = ''] = /HEALTHCHECK[^\n]*\\\n\s+CMD (\[.*\])/.exec(last) ?? []
  const [program, flag, script]: string[] = JSON.parse(json)
  t.same([program, flag], ['node', '-e'])
  const gateway = await startGateway(t, {
    yaml: 'sites: [{ upstream: "http://127.0.0.1:1" }]\nstop: { announce: off }\n',
  })
  const here = script?.replace('127.0.0.1:8080', `127.0.0.1:${gateway.port}`) ?? ''
  t.not(here, script)
  execFileSync(process.execPath, ['-e', here])
  await gateway.kill()
  t.throws(() => execFileSync(process.execPath, ['-e', here], { stdio: 'ignore' }), 'and says when it is not')
})

const noCaddy = skipWithoutProxy('caddy')
const noRedis = skipWithoutRedis()

t.test(
  'the Caddyfile of two gateways: one is killed, and who is signed in stays so',
  { skip: noCaddy || noRedis },
  async (t) => {
    const redis = await startRedis(t, ['--maxmemory-policy', 'noeviction'])
    const app = await application(t, (request, response) => {
      request.resume()
      response.end(`for ${request.headers['remote-user'] ?? 'nobody'} from ${request.headers['x-forwarded-for']}`)
    })
    const yaml = withKeyAt(read('deploy/gatelodge.valkey.yaml'), join(t.testdir({ key: testKey }), 'key'))
      .replace(/^listen:.*\n/m, '')
      .replace(/^publicUrl:.*$/m, 'publicUrl: http://localhost')
      .replace(/^trustedProxies:.*$/m, 'trustedProxies: [127.0.0.1/32]')
      .replace('http://application:80', app.url)
      .replace('redis://valkey:6379', redis.url)
    const one = await startGateway(t, { yaml })
    const two = await startGateway(t, { yaml })
    const password = 'correct horse 7 battery'
    const added = await one.run(['user', 'add', 'ann', '--password-stdin'], password)
    t.equal(added.code, 0, added.stderr)
    const caddyfile = read('deploy/Caddyfile')
    const port = await runCaddy(
      t,
      caddyfile.replace('gateway-1:8080', `127.0.0.1:${one.port}`).replace('gateway-2:8080', `127.0.0.1:${two.port}`),
    )
    const ann = new Visitor(t, `http://localhost:${port}`)
    const asked = await until('both to be found well', async () => {
      const answer = await ann.get('/x')
      return answer.status === 302 && answer
    })
    const signedIn = await ann.fillIn(asked.location ?? '', { username: 'ann', password }, '/sign-in')
    t.equal(signedIn.status, 303)
    t.equal((await ann.get('/x')).text, 'for ann from 127.0.0.1')
    for (const gone of [one, two]) {
      await gone.kill()
      for (let time = 0; time < 5; time += 1) t.equal((await ann.get('/x')).text, 'for ann from 127.0.0.1')
      await gone.start()
      await until('Caddy to find it well again', async () => {
        // Caddy gives requests to the one with the fewest: both get some.
        await Promise.all(Array.from({ length: 4 }, () => ann.get('/x')))
        return gone.logs().includes('listening')
      })
    }
  },
)

const analyze = findProgram('systemd-analyze')

t.test('systemd finds nothing wrong with the unit', async (t) => {
  if (analyze === undefined) {
    t.comment('systemd is not what runs this machine')
    return
  }
  const file = join(t.testdir({}), 'gatelodge.service')
  writeFileSync(file, read('deploy/gatelodge.service').replaceAll('/usr/bin/node', process.execPath))
  const said = execFileSync('sh', ['-c', '"$0" verify --man=no "$1" 2>&1 || echo "status $?"', analyze, file])
  t.notMatch(String(said), /gatelodge\.service/)
})

t.test('every metric of the dashboard is there', async (t) => {
  const port = await freePort()
  const app = await application(t)
  const gateway = await startGateway(t, {
    yaml: `metrics: { listen: 127.0.0.1:${port} }\nsites: [{ upstream: "${app.url}", rules: [{ path: /open/**, access: public }] }]\n`,
  })
  t.equal((await new Visitor(t, gateway.url).get('/open/x')).status, 200)
  const metrics = async () => (await request(`http://127.0.0.1:${port}/metrics`)).body.text()
  const text = await until('the request to be counted', async () => {
    const now = await metrics()
    return now.includes('gatelodge_requests_total{') && now
  })
  const there = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  const { panels }: { panels: { title: string; targets: { expr: string }[] }[] } = JSON.parse(read('docs/grafana.json'))
  const named = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => expr.match(/\b(?:gatelodge|nodejs|process)_\w+/g) ?? []),
  )
  t.ok(named.length >= panels.length)
  for (const name of named) t.ok(there.has(name.replace(/_(?:bucket|sum|count)$/, '')), name)
  const page = read('docs/operations.md')
  for (const name of there) if (name.startsWith('gatelodge_')) t.match(page, name, `${name} is in the guide`)
  for (const name of there) {
    if (name.startsWith('gatelodge_'))
      t.ok(
        named.some((one) => one.startsWith(name)),
        `${name} is on the dashboard`,
      )
  }
})
