import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import t from 'tap'
import { Agent, request } from 'undici'
import { WebSocket } from 'ws'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { Visitor } from '../support/visitor.js'
import { edit, keepVisiting, logged, slowApplication } from './keeper.js'

// Processes start here, on machines that run other tests meanwhile.
t.setTimeout(120_000)

const yaml = (upstream: string) => `
sites:
  - upstream: ${upstream}
    rules:
      - { path: /open/**, access: public }
stop: { announce: off }
`

const reloaded = 'the configuration was read anew'
const refused = 'the changed configuration was refused, and nothing has changed'

t.test('a reload drops no request, keeps sessions and what is open, and its rules reach what is open', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: yaml(application.url) })
  await gateway.run(
    ['user', 'add', 'ana', '--email', 'ana@example.com', '--password-stdin'],
    'correct horse 7 battery\n',
  )
  const ana = new Visitor(t, gateway.url)
  const asked = await ana.get('/office')
  await ana.fillIn(asked.location ?? '', { username: 'ana', password: 'correct horse 7 battery' }, '/sign-in')
  t.equal((await ana.get('/office')).text, 'for ana')

  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/open/socket`)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const agent = new Agent({ pipelining: 1 })
  t.teardown(() => agent.destroy())
  const events = await agent.request({ origin: gateway.url, path: '/open/events', method: 'GET' })
  const eventsEnd = events.body.dump().catch(() => {})
  const slow = request(`${gateway.url}/open/slow`)
  await until('the slow request to arrive', () => application.waiting.length === 1)

  const visits = keepVisiting(t, `${gateway.url}/open/page`)
  for (let time = 1; time <= 3; time += 1) {
    const before = visits.count()
    process.kill(gateway.pid(), 'SIGHUP')
    await until('the reload', () => logged(gateway, reloaded).length === time)
    await until('more visits', () => visits.count() > before + 50, 30_000)
  }
  await visits.stop()
  t.strictSame(visits.failures, [])
  application.waiting[0]?.end('at last')
  t.equal(await (await slow).body.text(), 'at last', 'a request that was under way is answered')
  t.equal((await ana.get('/office')).text, 'for ana', 'the session is the same')
  socket.send('still there?')
  t.equal(String((await once(socket, 'message'))[0]), 'still there?')

  const closed = once(socket, 'close')
  await edit(gateway, (text) => text.replace('access: public', 'access: deny'))
  const answer = await gateway.run(['reload'])
  t.equal(answer.code, 0, answer.stderr)
  t.equal((await closed)[0], 1008, 'rules that became tighter end what they would not let in')
  await eventsEnd
  t.equal((await request(`${gateway.url}/open/page`)).statusCode, 403)
  t.equal((await ana.get('/office')).text, 'for ana')
  const trail = logged(gateway, 'config.reloaded')
  t.match(trail.at(-1), {
    audit: { event: 'config.reloaded', outcome: 'success', details: { by: 'gatelodge reload' } },
  })
})

t.test('a file with mistakes changes nothing, however often it is to be read', async (t) => {
  const application = await slowApplication(t)
  const gateway = await startGateway(t, { yaml: yaml(application.url) })
  const descriptors = async () => (await readdir(`/proc/${gateway.pid()}/fd`)).length
  const visits = keepVisiting(t, `${gateway.url}/open/page`)
  await until('visits', () => visits.count() > 20)
  const before = await descriptors()

  await edit(gateway, (text) => `${text.replace('access: public', 'access: publik')}\nsesion: { duration: 5 }\n`)
  for (let time = 0; time < 100; time += 1) {
    process.kill(gateway.pid(), 'SIGHUP')
    const seen = visits.count()
    await until('a visit between two signals', () => visits.count() > seen)
  }
  const answer = await gateway.run(['reload'])
  t.equal(answer.code, 2)
  t.match(answer.stderr, /"publik" is not one of the words[\s\S]*sesion[\s\S]*2 mistakes/)
  t.match(answer.stderr, /runs on with the configuration it had/)
  await visits.stop()
  t.strictSame(visits.failures, [])
  t.equal((await request(`${gateway.url}/open/page`)).statusCode, 200)
  t.equal(logged(gateway, reloaded).length, 0)
  t.match(logged(gateway, refused)[0], { by: 'SIGHUP', problems: [/publik/, /sesion/] })
  t.match(logged(gateway, 'config.refused')[0], { audit: { event: 'config.refused', details: { by: 'SIGHUP' } } })
  await until('everything that was opened to be closed', async () => (await descriptors()) <= before)

  await edit(gateway, (text) =>
    text
      .replace('publik', 'public')
      .replace(/\nsesion.*/, '')
      .replace(/^listen: .*$/m, 'listen: 127.0.0.1:1'),
  )
  const fixed = await gateway.run(['reload'])
  t.equal(fixed.code, 2, 'what only a restart changes is refused')
  t.match(fixed.stderr, /listen: cannot change while the gateway runs/)

  await edit(gateway, (text) =>
    text.replace('127.0.0.1:1\n', `127.0.0.1:${gateway.port}\n`).replace('stop:', 'mail: { use: ./broken.mjs }\nstop:'),
  )
  const missing = await gateway.run(['reload'])
  t.equal(missing.code, 2, missing.stderr)
  await edit(gateway, (text) => text.replace(/mail:.*\n/, ''))
  t.equal((await gateway.run(['reload'])).code, 0, 'and a file that is right again is taken')
  await gateway.stop()
  const none = await gateway.run(['reload'])
  t.equal(none.code, 1)
  t.match(none.stderr, /No gateway runs with/)
})
