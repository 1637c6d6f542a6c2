import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { request } from 'undici'
import { freePort } from '../support/free-port.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { quickest, tell, timed } from './table.js'

t.setTimeout(180_000)

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

t.test('nobody reads the log: requests go on, memory does not grow, and what was lost is said', async (t) => {
  const home = await temporaryDirectory(t)
  const config = join(home, 'gatelodge.yaml')
  const port = await freePort()
  const nowhere = await freePort()
  await writeFile(
    config,
    `listen: 127.0.0.1:${port}
sites: [{ upstream: "http://127.0.0.1:${nowhere}", rules: [{ path: /**, access: public }] }]
store: { use: embedded, path: ./data }
`,
  )
  const gateway = spawn(process.execPath, [main, 'start', '--config', config], {
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => gateway.kill('SIGKILL'))
  gateway.stderr.resume()
  const ask = async (path: string) => {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, {
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    })
    await body.dump()
    return statusCode
  }
  // Its first words are in the pipe; from here on nobody takes any out.
  await until(
    'the gateway',
    () =>
      ask('/.gatelodge/readyz').then(
        (status) => status === 200,
        () => false,
      ),
    60_000,
  )
  const sizeOf = async () => {
    const { readFile } = await import('node:fs/promises')
    return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${gateway.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  }
  const before = await sizeOf()
  // Each is a line in the log: so many are many times what a pipe holds, and more than is kept.
  let answered = 0
  for (let round = 0; round < 160; round += 1) {
    const statuses = await Promise.all(Array.from({ length: 50 }, () => ask('/x')))
    t.same([...new Set(statuses)], [502])
    answered += statuses.length
  }
  const during = await quickest(5, () => ask('/x'))
  t.equal(during.value, 502)
  t.equal(await ask('/.gatelodge/readyz'), 200)
  const growth = (await sizeOf()) - before
  t.ok(growth < 96, `memory grew by ${growth} MB`)

  let read = ''
  gateway.stdout.setEncoding('utf8').on('data', (text: string) => {
    read += text
  })
  const lines = () => read.split('\n').filter((line) => line.startsWith('{'))
  const again = await timed(async () => {
    await until('the log to be read', async () => (await ask('/x')) === 502 && /lines of this log/.test(read), 30_000)
  })
  const said = lines().map((line) => JSON.parse(line))
  const lost = said.filter(({ lost }) => lost > 0).reduce((sum, { lost }) => sum + lost, 0)
  const told = said.filter(({ msg }) => msg === 'request failed').length
  t.ok(lost > 0 && told > 0)
  t.ok(lost + told >= answered, `${lost} lost and ${told} told of ${answered}`)

  gateway.stdout.pause()
  const ended = timed(() => once(gateway, 'exit'))
  gateway.kill('SIGTERM')
  t.same((await ended).value, [0, null])
  tell(t, {
    fault: 'nobody reads the log (pipe full)',
    saw: `requests as before; ${lost} of ${lost + told} lines lost, and said so`,
    answerMs: during.ms,
    recoverMs: again.ms,
    more: `memory +${Math.round(growth)} MB`,
  })
})

t.test('whoever read the log is gone: requests go on', async (t) => {
  const home = await temporaryDirectory(t)
  const config = join(home, 'gatelodge.yaml')
  const [port, nowhere] = [await freePort(), await freePort()]
  await writeFile(
    config,
    `listen: 127.0.0.1:${port}\nsites: [{ upstream: "http://127.0.0.1:${nowhere}", rules: [{ path: /**, access: public }] }]\nstore: { use: embedded, path: ./data }\n`,
  )
  const gateway = spawn(process.execPath, [main, 'start', '--config', config], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => gateway.kill('SIGKILL'))
  const ask = (path: string) =>
    request(`http://127.0.0.1:${port}${path}`).then(async ({ statusCode, body }) => {
      await body.dump()
      return statusCode
    })
  await until(
    'the gateway',
    () =>
      ask('/.gatelodge/readyz').then(
        (status) => status === 200,
        () => false,
      ),
    60_000,
  )
  gateway.stdout.destroy()
  for (let round = 0; round < 20; round += 1) t.equal(await ask('/x'), 502)
  const after = await quickest(3, () => ask('/x'))
  t.equal(gateway.exitCode, null)
  gateway.kill('SIGTERM')
  t.same(await once(gateway, 'exit'), [0, null])
  tell(t, {
    fault: 'whoever read the log is gone (EPIPE)',
    saw: 'requests as before',
    answerMs: after.ms,
    promisedMs: 1000,
  })
})
