import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { showDay } from '../../src/operations/day.js'
import { sendTest } from '../../src/operations/messages.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { freePort } from '../support/free-port.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

t.setTimeout(180_000)

/** Everything the gateway needs, as the desk shows it. */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }

async function look({ house }: OpenHouse) {
  const day = await house.desk.run(showDay, {}, shell)
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
  const one = await startHouse(t, { yaml, directory })
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
  t.match(await one.house.desk.run(sendTest, { channel: 'email' }, by), { sentence: /did not take it/ })
  t.match((await look(one)).get('mail'), { isUp: true, lastFailureAt: String, reason: /ECONNREFUSED/ })
  for (let n = 0; n < 3; n += 1) await one.house.desk.run(sendTest, { channel: 'email' }, by)
  await until('the mail server to be given up', async () => (await look(one)).get('mail')?.isUp === false)
  t.match((await look(one)).get('mail'), { since: String, nextTryAt: String, reason: /ECONNREFUSED/ })
  await until('another gateway to know', async () => (await look(other)).get('mail')?.isUp === false)
  t.match((await look(other)).get('mail'), { isUp: false, since: String, lastFailureAt: String })

  const visitor = one.visitor()
  await signIn(visitor, 'olga')
  const page = await visitor.get('/.gatelodge/admin')
  t.match(page.text, /The application at away\.example\/crm<\/p>[\s\S]{0,200}Does not answer/)
  t.match(page.text, /The mail server<\/p><p class="quiet">Since [\s\S]{0,500}Left alone until/)
  t.match(page.text, /The application at localhost<\/p>[\s\S]{0,200}>Answers</)
})
