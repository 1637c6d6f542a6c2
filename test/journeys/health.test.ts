import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { showDashboard } from '../../src/operations/dashboard/dashboard.js'
import { sendTest } from '../../src/operations/messages.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { AheadClock, seat } from '../support/at-desk.js'
import { freePort } from '../support/free-port.js'
import { type OpenHouse, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

t.setTimeout(180_000)

/** Everything the gateway needs, as the desk shows it. */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }

async function look({ core }: OpenHouse) {
  const day = await core.desk.run(showDashboard, {}, shell)
  if (day instanceof Refusal) throw new Error(day.sentence)
  return new Map(day.dependencies.map((one) => [one.name, one]))
}

t.test('store, directory, applications, messages and outs: what answers, since when not, and why', async (t) => {
  const server = createServer((_request, response) => response.end('here')).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await until('the application', async () => server.listening)
  const { port } = server.address() as AddressInfo
  const [away, mailPort] = [await freePort(), await freePort()]
  const directory = await temporaryDirectory(t)
  const yaml = `
publicUrl: http://localhost:8080
sites:
  - { host: localhost, upstream: "http://127.0.0.1:${port}" }
  - { host: away.example, path: /crm, upstream: "http://127.0.0.1:${away}" }
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: smtp, url: "smtp://127.0.0.1:${mailPort}", from: gate@example.com }
audit: { outs: [{ use: json-lines, path: ./audit.jsonl }] }
`
  const clock = new AheadClock()
  const one = await startHouse(t, { yaml, directory, now: clock.now })
  const other = await startHouse(t, { yaml, directory })
  const id = await one.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  const before = await look(one)
  t.match(before.get('store'), { kind: 'store', isUp: true })
  t.match(before.get('users'), { kind: 'users', isUp: true })
  t.match(before.get('upstream localhost'), { kind: 'upstream', isUp: true })
  t.match(before.get('upstream away.example/crm'), { kind: 'upstream', isUp: false })
  t.match(before.get('email'), { kind: 'messages', isUp: true })
  t.equal(before.get('email')?.lastFailureAt, undefined)
  t.match(before.get('mail'), { kind: 'messages', isUp: true })
  t.equal([...before.values()].filter(({ kind }) => kind === 'audit-out').length, 1)

  const by: Actor = { ...shell, account: { id, username: 'olga' } }
  t.match(await one.core.desk.run(sendTest, { channel: 'email' }, by), { sentence: /did not take it/ })
  t.match((await look(one)).get('mail'), { isUp: true, lastFailureAt: String, reason: /ECONNREFUSED/ })
  for (let n = 0; n < 3; n += 1) await one.core.desk.run(sendTest, { channel: 'email' }, by)
  await until('the mail server to be given up', async () => (await look(one)).get('mail')?.isUp === false)
  t.match((await look(one)).get('mail'), { since: String, nextTryAt: String, reason: /ECONNREFUSED/ })
  await until('another gateway to know', async () => (await look(other)).get('mail')?.isUp === false)
  t.match((await look(other)).get('mail'), { isUp: false, since: String, lastFailureAt: String })

  const { visitor } = await seat(one, 'olga', clock)
  const page = await visitor.get('/.gatelodge/admin')
  t.match(page.text, /The application at away\.example\/crm<\/p>[\s\S]{0,200}Does not answer/)
  t.match(page.text, /The mail server<\/p><p class="quiet">Since [\s\S]{0,500}Left alone until/)
  t.match(page.text, /The application at localhost<\/p>[\s\S]{0,200}>Answers</)
})

t.test('the first page says what is less safe than it looks, for as long as it is so', async (t) => {
  const clock = new AheadClock()
  const gateway = await startHouse(t, { yaml: 'sites: [{ upstream: "http://127.0.0.1:1" }]', now: clock.now })
  await gateway.addUser('olga', { role: 'owner' })
  const codes = async () => {
    const day = await gateway.core.desk.run(showDashboard, {}, shell)
    return day instanceof Refusal ? day.sentence : day.advice.map(({ code }) => code)
  }
  t.same(await codes(), ['second-factor.optional', 'mail.missing'])
  const olga = (await seat(gateway, 'olga', clock)).visitor
  t.match(
    (await olga.get('/.gatelodge/admin')).text,
    /Less safe than it could be[\s\S]*the password alone opens everything/,
  )

  // A proxy in front that the file forgets: everybody is one client.
  await olga.get('/', { headers: { 'x-forwarded-for': '203.0.113.7' } })
  t.same(await codes(), ['second-factor.optional', 'mail.missing', 'proxy.not-trusted'])
  t.match((await olga.get('/.gatelodge/admin')).text, 'Add 127.0.0.1 to trustedProxies')

  await gateway.core.identity.settings.set('secondFactor.required', 'everyone', { name: 'olga' })
  t.same(await codes(), ['mail.missing', 'proxy.not-trusted'])
  const told = await startHouse(t, {
    yaml: 'sites: [{ upstream: "http://127.0.0.1:1" }]\nmail: { use: outbox }\nsecondFactor: { required: everyone }',
    now: clock.now,
  })
  await told.addUser('olga', { role: 'owner' })
  const page = await (await seat(told, 'olga', clock)).visitor.get('/.gatelodge/admin')
  t.equal(page.status, 200)
  t.notMatch(page.text, 'Less safe')
})
