import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startChild } from '../support/child.js'
import { freePort } from '../support/free-port.js'
import { until } from '../support/poll.js'

t.setTimeout(120_000)

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

t.test('Ctrl+C ends the demonstration in order', async (t) => {
  const env = { ...process.env, PORT: String(await freePort()), FORCE_COLOR: '0' }
  const demo = startChild(process.execPath, [main, 'demo'], { env })
  t.teardown(() => demo.end('SIGKILL'))
  await until('the address', () => demo.output().includes(`http://localhost:${env.PORT}`), 60_000)
  t.equal(await demo.end('SIGINT', 30_000), '0', demo.output())
  t.notMatch(demo.output(), /Error/)
})
