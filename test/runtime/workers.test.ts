import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { Visitor } from '../support/visitor.js'
import { edit, logged, slowApplication } from './keeper.js'

// Several processes start here, on machines that run other tests meanwhile.
t.setTimeout(600_000)

const yaml = (upstream: string, more = '') => `
workers: 2
sites:
  - upstream: ${upstream}
    rules:
      - { path: /open/**, access: public }
stop: { announce: off }
${more}`

/** Its processes besides the one that was started, by the kernel's word. */
async function workersOf(gateway: RunningGateway): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(all.map(async (pid) => [Number(pid), await parentOf(pid)] as const))
  return parents.filter(([, parent]) => parent === gateway.pid()).map(([pid]) => pid)
}

/** Both of its workers, by one look: of two looks each may see another one. */
function pairOf(gateway: RunningGateway, fits: (pids: readonly number[]) => boolean = () => true) {
  const look = async () => {
    const [first, second, ...more] = await workersOf(gateway)
    if (first === undefined || second === undefined || more.length > 0) return undefined
    return fits([first, second]) ? ([first, second] as const) : undefined
  }
  return until('both workers', look, 60_000)
}

/** Ends a worker. @returns the one that is begun in its place, beside the one that stays */
async function replaced(gateway: RunningGateway, ended: number, staying: number): Promise<number> {
  process.kill(ended, 'SIGKILL')
  const [first, second] = await pairOf(gateway, (pids) => pids.includes(staying) && !pids.includes(ended))
  return first === staying ? second : first
}

async function parentOf(pid: string): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? -1)
}

/** Statuses of as many requests, each over a connection of its own, so that every worker gets some. */
async function statuses(t: Test, gateway: RunningGateway, count: number): Promise<number[]> {
  const found: number[] = []
  for (let each = 0; each < count; each += 1) {
    const agent = new Agent()
    t.teardown(() => agent.destroy())
    const { statusCode, body } = await agent.request({ origin: gateway.url, path: '/open/page', method: 'GET' })
    await body.dump()
    found.push(statusCode)
  }
  return found
}

t.test('workers share listener and sessions, are started again, and take a new configuration together', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: yaml(application.url) })
  const [victim] = await pairOf(gateway)
  await gateway.run(
    ['user', 'add', 'ana', '--email', 'ana@example.com', '--password-stdin'],
    'correct horse 7 battery\n',
  )
  const ana = new Visitor(t, gateway.url)
  const asked = await ana.get('/office')
  await ana.fillIn(asked.location ?? '', { username: 'ana', password: 'correct horse 7 battery' }, '/sign-in')
  for (let time = 0; time < 6; time += 1) {
    const again = new Visitor(t, gateway.url)
    for (const [name, value] of ana.cookies) again.cookies.set(name, value)
    t.equal((await again.get('/office')).text, 'for ana', 'whichever worker is asked')
  }

  process.kill(victim, 'SIGKILL')
  await until('the other one to answer alone', async () => (await workersOf(gateway)).every((pid) => pid !== victim))
  t.same(await statuses(t, gateway, 4), [200, 200, 200, 200])
  await until('a new one', () => logged(gateway, 'a worker is ready again').length === 1, 60_000)

  await edit(gateway, (text) => text.replace('access: public', 'access: deny'))
  const answer = await gateway.run(['reload'])
  t.equal(answer.code, 0, answer.stderr)
  await until('every worker to have the new rules', async () =>
    (await statuses(t, gateway, 6)).every((one) => one === 403),
  )
  await edit(gateway, (text) => text.replace('access: deny', 'access: denied').replace('workers: 2', 'workers: 3'))
  const refused = await gateway.run(['reload'])
  t.equal(refused.code, 2, 'mistakes are found before any worker hears of them')
  t.match(logged(gateway, 'config.refused')[0], { audit: { outcome: 'refused' } })

  const workers = await workersOf(gateway)
  t.equal(await gateway.stop(), '0')
  const left = await Promise.all(workers.map((pid) => parentOf(String(pid))))
  t.strictSame(
    left,
    workers.map(() => -1),
    'none outlives the gateway',
  )
})

t.test('a worker that cannot start at all is said at once', async (t) => {
  const application = await slowApplication(t)
  const failed = startGateway(t, { yaml: yaml(application.url, 'store: { use: redis, url: "redis://127.0.0.1:1" }\n') })
  await t.rejects(failed, /ended with 1[\s\S]*redis/i)
})

t.test('a worker that ends again and again beside one that is still on its way ends nothing', async (t) => {
  const directory = await temporaryDirectory(t)
  const barrier = join(directory, 'barrier')
  await writeFile(
    join(directory, 'patient.mjs'),
    `import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
export default {
  kind: 'mail-transports',
  options: z.strictObject({}),
  async create() {
    while (existsSync(${JSON.stringify(barrier)})) await pause(20)
    return { async send() {} }
  },
}
`,
  )
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: yaml(application.url, 'mail: { use: ./patient.mjs }\n'), directory })
  await until('both workers', () => logged(gateway, 'all workers listen').length > 0)
  await writeFile(barrier, '')
  let [victim, other] = await pairOf(gateway)
  other = await replaced(gateway, other, victim)
  for (let time = 0; time < 4; time += 1) victim = await replaced(gateway, victim, other)
  await rm(barrier)
  await until('both to serve', () => logged(gateway, 'a worker is ready again').length >= 2, 60_000)
  t.same(await statuses(t, gateway, 4), [200, 200, 200, 200])
  t.equal(await gateway.stop(), '0')
})

t.test('workers that end at once, again and again, end in a clear error', async (t) => {
  const directory = await temporaryDirectory(t)
  const fuse = join(directory, 'fuse')
  await writeFile(
    join(directory, 'bomb.mjs'),
    `import { existsSync } from 'node:fs'
import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
export default {
  kind: 'mail-transports',
  options: z.strictObject({}),
  create() {
    if (existsSync(${JSON.stringify(fuse)})) process.exit(3)
    return { async send() {} }
  },
}
`,
  )
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: yaml(application.url, 'mail: { use: ./bomb.mjs }\n'), directory })
  await until('both workers', () => logged(gateway, 'all workers listen').length > 0)
  await writeFile(fuse, '')
  for (const pid of await workersOf(gateway)) process.kill(pid, 'SIGKILL')
  await until(
    'the gateway to give up',
    () => logged(gateway, 'workers end at once, again and again, and none is left').length > 0,
    240_000,
  )
  await until('its last words', () => /Worker \d ended \d times at once/.test(gateway.logs()))
  await until('its end, by itself', () => !existsSync(`/proc/${gateway.pid()}`))
  t.equal(await gateway.stop(), '1')
})
