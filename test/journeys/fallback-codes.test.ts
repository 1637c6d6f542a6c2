import t, { type Test } from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'

// Two processes over one store, on machines that run other tests meanwhile.
t.setTimeout(300_000)

const password = 'correct horse 7 battery'
const own = (path: string) => `/.gatelodge${path}`

const yaml = (upstream: string, secondFactor: string) => `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites:
  - upstream: ${upstream}
secondFactor: ${secondFactor}
`

async function openGateway(t: Test, secondFactor: string): Promise<RunningGateway> {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const gateway = await startGateway(t, { yaml: yaml(application.url, secondFactor) })
  const added = await gateway.run(['user', 'add', 'ana', '--role', 'user', '--password-stdin'], `${password}\n`)
  t.equal(added.code, 0, added.stderr)
  return gateway
}

async function follow(visitor: Visitor, answer: Answer): Promise<Answer> {
  let now = answer
  for (let hops = 0; now.location !== undefined && hops < 6; hops += 1) now = await visitor.get(now.location)
  return now
}

/** Name and password, and on to the page that follows. */
async function signIn(visitor: Visitor): Promise<Answer> {
  const asked = await visitor.get('/')
  return follow(visitor, await visitor.fillIn(asked.location ?? '', { username: 'ana', password }, '/sign-in'))
}

async function submit(visitor: Visitor, page: Answer, action: string, fields: Record<string, string>): Promise<Answer> {
  const form = formOf(page.text, action)
  return visitor.post(form.action ?? action, { ...form.fields, ...fields })
}

t.test('strict: in with a recovery code from the command line, then with an app', async (t) => {
  const gateway = await openGateway(t, '{ required: everyone, unenrolled: recovery-code }')
  const ana = new Visitor(t, gateway.url)
  const page = await signIn(ana)
  t.match(page.text, '<h1>Use a recovery code</h1>')
  t.match((await follow(ana, await ana.get(own('/enrol/totp')))).text, '<h1>Use a recovery code</h1>')

  const issued = await gateway.run(['user', 'recovery-code', 'ana'])
  t.equal(issued.code, 0, issued.stderr)
  t.match(issued.stdout, /^(?:[0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}\n$/, 'the code and nothing else')
  const newer = await gateway.run(['user', 'recovery-code', 'ana', '--json'])
  const { code, username } = JSON.parse(newer.stdout)
  t.equal(username, 'ana')
  const dead = await submit(ana, page, '/verify/recovery-code', { code: issued.stdout.trim() })
  t.equal(dead.status, 422, 'the older one is dead')
  const done = await submit(ana, dead, '/verify/recovery-code', { code })
  t.match((await follow(ana, done)).text, 'Set up a second step now')
  t.equal((await ana.get('/')).status, 200, 'in')

  const again = new Visitor(t, gateway.url)
  t.match((await signIn(again)).text, '<h1>Use a recovery code</h1>', 'the next sign-in takes another one')

  await untilTwoCodesAreGood()
  const enrol = await follow(ana, await ana.get(own('/enrol')))
  const key = /data-copy="([A-Z2-7]+)"/.exec(enrol.text)?.[1] ?? ''
  const set = await submit(ana, enrol, '/enrol/totp', { code: codeAt(key, Date.now() - 30_000) })
  const codes = [...(await follow(ana, set)).text.matchAll(/<li><code>([^<]*)</g)].map(([, shown]) => shown ?? '')
  t.equal(codes.length, 10)

  const third = new Visitor(t, gateway.url)
  const verify = await signIn(third)
  t.match(verify.text, '<h1>Enter your code</h1>')
  const remembered = await submit(third, verify, '/verify', { code: codeAt(key, Date.now()), remember: 'yes' })
  t.equal(remembered.location, '/')
  t.ok(third.cookies.has('gatelodge-device'))

  t.equal((await gateway.run(['sessions', 'clear'])).code, 0)
  t.equal((await third.get('/')).status, 302)
  t.equal((await signIn(third)).status, 200)
  t.equal((await third.get('/')).status, 200, 'still remembered')
  const cleared = await gateway.run(['sessions', 'clear', '--devices'])
  t.match(cleared, { code: 0, stdout: /remembered device/ })
  t.match((await signIn(third)).text, '<h1>Enter your code</h1>', 'devices as well')

  const fourth = new Visitor(t, gateway.url)
  await signIn(fourth)
  const backup = await fourth.fillIn(own('/verify/backup-code'), { code: codes[2] ?? '' }, '/verify/backup-code')
  t.equal(backup.location, '/')
  t.equal((await fourth.get('/')).status, 200)

  t.match(await gateway.run(['user', 'recovery-code', 'nobody']), { code: 1, stderr: /no user/ })
  await gateway.run(['user', 'deactivate', 'ana'])
  t.match(await gateway.run(['user', 'recovery-code', 'ana']), { code: 1, stdout: '' })
  for (const secret of [code, ...codes]) t.notOk(gateway.logs().includes(secret), 'no log has it')
})

t.test('one backup code, fifty tries at once over two gateways: one gets in', async (t) => {
  const gateway = await openGateway(t, '{ required: everyone }')
  const other = await startGateway(t, {
    yaml:
      yaml('http://127.0.0.1:1', '{ required: everyone }') +
      `store: { use: embedded, path: ${gateway.directory}/data }\n`,
  })
  await untilTwoCodesAreGood()
  const ana = new Visitor(t, gateway.url)
  const enrol = await signIn(ana)
  const key = /data-copy="([A-Z2-7]+)"/.exec(enrol.text)?.[1] ?? ''
  const set = await submit(ana, enrol, '/enrol/totp', { code: codeAt(key, Date.now() - 30_000) })
  const codes = [...(await follow(ana, set)).text.matchAll(/<li><code>([^<]*)</g)].map(([, shown]) => shown ?? '')

  const visitors = [gateway, other, gateway, other].map(({ url }) => new Visitor(t, url))
  const pages: Answer[] = []
  for (const visitor of visitors) {
    await signIn(visitor)
    pages.push(await visitor.get(own('/verify/backup-code')))
  }
  const tries = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const [visitor, page] = [visitors[i % 4], pages[i % 4]]
      return visitor && page && submit(visitor, page, '/verify/backup-code', { code: codes[0] ?? '' })
    }),
  )
  t.equal(tries.filter((answer) => answer?.status === 303).length, 1)
  t.ok(tries.every((answer) => [303, 400, 422, 429, 503, 200].includes(answer?.status ?? 0)))
})
