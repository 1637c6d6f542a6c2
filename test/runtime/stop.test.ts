import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { startChild } from '../support/child.js'
import { freePort } from '../support/free-port.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { slowApplication } from './keeper.js'

t.setTimeout(400_000)

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

const site = (upstream: string) => `sites: [{ upstream: "${upstream}", rules: [{ path: /**, access: public }] }]`

t.test('a gateway that stops says so first, answers what is under way, and says goodbye to WebSockets', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: `${site(application.url)}\nstop: { announce: 5s, deadline: 30s }\n` })
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket`)
  await once(socket, 'open')
  const goodbye = once(socket, 'close')
  const slow = request(`${gateway.url}/slow`)
  await until('the slow request to arrive', () => application.waiting.length === 1)

  const stopped = gateway.stop()
  await until('the gateway to be unready, and listen still', async () => {
    const { statusCode, body } = await request(`${gateway.url}/.gatelodge/readyz`)
    await body.dump()
    return statusCode === 503
  })
  const late = await request(`${gateway.url}/page`)
  t.equal(late.statusCode, 200, 'who has not heard yet is answered')
  t.equal(late.headers['connection'], 'close', 'for the last time on this connection')
  await late.body.dump()
  t.equal((await goodbye)[0], 1001)
  application.waiting[0]?.end('at last')
  t.equal(await (await slow).body.text(), 'at last')
  t.equal(await stopped, '0')
})

t.test('what takes longer than the deadline is cut', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: `${site(application.url)}\nstop: { announce: off, deadline: 1s }\n` })
  const slow = request(`${gateway.url}/slow`).catch((fault: unknown) => fault)
  await until('the slow request to arrive', () => application.waiting.length === 1)
  t.equal(await gateway.stop(), '0')
  t.type(await slow, Error)
  t.match(gateway.logs(), /still under way were cut/)
})

/** The program without what tap puts into processes, which hears signals itself, and a mark to know its workers by. */
async function starting(t: Test, workers: number, configFile?: string) {
  const home = await temporaryDirectory(t)
  const file = configFile ?? join(home, 'gatelodge.yaml')
  const mark = `GATELODGE_TEST_MARK=${randomUUID()}`
  const yaml = `
listen: 127.0.0.1:${await freePort()}
workers: ${workers}
sites: [{ upstream: "http://127.0.0.1:1" }]
store: { use: embedded, path: ${join(home, 'data')} }
`
  if (configFile === undefined) await writeFile(file, yaml)
  const child = startChild('env', ['-u', 'NODE_OPTIONS', mark, process.execPath, main, 'start', '--config', file])
  const left = () => marked(mark)
  t.teardown(() => {
    for (const pid of left()) process.kill(pid, 'SIGKILL')
  })
  const ended = async () => {
    const end = await until('it to end', () => child.ended(), 60_000)
    await until('no process to be left', () => left().length === 0)
    return end
  }
  return { ...child, yaml, data: join(home, 'data'), left, ended }
}

/** Processes that were started with this in their environment, their children too. */
function marked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark))
    .map(Number)
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} while the file is being read ends a start: nothing is open yet`, async (t) => {
    const pipe = join(await temporaryDirectory(t), 'gatelodge.yaml')
    t.equal(spawnSync('mkfifo', [pipe]).status, 0)
    const child = await starting(t, 2, pipe)
    // Without somebody who reads, it cannot be opened like this.
    const writing = await until('it to read', () =>
      open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined),
    )
    process.kill(child.pid, signal)
    await writing.writeFile(child.yaml)
    await writing.close()
    t.equal(await child.ended(), '0', child.output())
    t.notMatch(child.output(), /listening/)
  })
}

t.test('a signal as soon as there are workers ends them and the start', async (t) => {
  const child = await starting(t, 2)
  await until('a worker', () => child.left().length > 1)
  process.kill(child.pid, 'SIGTERM')
  t.equal(await child.ended(), '0', child.output())
  t.match(child.output(), '"stopped"')
})

t.test('a signal to the whole group, as from a terminal or systemd, ends a start as well', async (t) => {
  const child = await starting(t, 2)
  const all = await until('a worker', () => child.left().length > 1 && child.left())
  // Workers hear of it before the one that started them does.
  for (const pid of all.reverse()) process.kill(pid, 'SIGTERM')
  t.equal(await child.ended(), '0', child.output())
})

t.test('a signal as soon as the store is being opened ends a start', async (t) => {
  const child = await starting(t, 1)
  await until('the store to be opened', () => existsSync(child.data))
  process.kill(child.pid, 'SIGINT')
  t.equal(await child.ended(), '0', child.output())
})

for (const workers of [1, 2]) {
  t.test(`at whatever moment the signal comes, nothing of ${workers} is left, and nothing failed`, async (t) => {
    const since = performance.now()
    const first = await starting(t, workers)
    await until('it to listen', () => /"(all workers listen|listening)"/.test(first.output()), 60_000)
    const startMs = performance.now() - since
    process.kill(first.pid, 'SIGTERM')
    t.equal(await first.ended(), '0', first.output())
    for (const part of [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]) {
      const child = await starting(t, workers)
      // No wait for something to be done: the moment is what is tried.
      await pause(part * startMs)
      process.kill(child.pid, 'SIGTERM')
      const end = await child.ended()
      // Before Node runs anything of ours, the signal ends it.
      t.ok(end === '0' || (end === 'SIGTERM' && child.output() === ''), `${end} at ${part}: ${child.output()}`)
    }
  })
}
