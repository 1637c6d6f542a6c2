import { createHmac } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { startGateway } from '../support/gateway.js'
import { installExample, installPackage } from '../support/installed-package.js'
import { formOf, Visitor } from '../support/visitor.js'

t.setTimeout(300_000)

/**
 * A second factor of a third kind, that the core has never heard of: the example of examples/gatelodge-hotp, as an npm package
 * and templates outside the repository.
 */

const password = 'correct horse 7 battery'

/** The token in somebody's hand: RFC 4226, written a second time, so that the plugin is not tested against itself. */
function press(seed: string, counter: number): string {
  const message = Buffer.from(counter.toString(16).padStart(16, '0'), 'hex')
  const mac = [...createHmac('sha1', Buffer.from(seed, 'hex')).update(message).digest()]
  const at = (mac[19] ?? 0) & 0xf
  const bytes = mac.slice(at, at + 4)
  const number = bytes.reduce((sum, byte, i) => sum * 256 + (i === 0 ? byte & 0x7f : byte), 0)
  return String(number).slice(-6).padStart(6, '0')
}

t.equal(press(Buffer.from('12345678901234567890').toString('hex'), 1), '287082', 'RFC 4226, appendix D')

t.test('a hardware token is one package and two templates: set up, used, and every number good once', async (t) => {
  const installed = await installPackage(t)
  const { directory } = installed
  const home = await installExample('gatelodge-hotp', installed)
  await cp(join(home, 'templates'), join(directory, 'templates'), { recursive: true })

  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const gateway = await startGateway(t, {
    directory,
    yaml: `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
templates: ./templates
sites:
  - upstream: ${application.url}
    rules:
      - { path: /admin/**, access: second-factor }
secondFactor:
  methods:
    - { use: gatelodge-hotp, lookAhead: 5 }
`,
  })
  await gateway.run(['user', 'add', 'ana', '--role', 'user', '--password-stdin'], `${password}\n`)

  const signIn = async (visitor: Visitor) => {
    const asked = await visitor.get('/admin/')
    const answer = await visitor.fillIn(asked.location ?? '', { username: 'ana', password }, '/sign-in')
    return follow(visitor, answer.location)
  }
  const send = (visitor: Visitor, page: string, code: string) => {
    const form = formOf(page)
    return visitor.post(form.action ?? '', { ...form.fields, code })
  }

  const first = new Visitor(t, gateway.url)
  const enrol = await signIn(first)
  t.match(enrol.text, 'Write this seed into your token', 'with the page of its own')
  const seed = /class="key">([0-9a-f]{40})</.exec(enrol.text)?.[1] ?? ''
  const wrong = await send(first, enrol.text, press(seed, 40))
  t.equal(wrong.location, undefined, 'a number far ahead is none of its next ones')
  const confirmed = await send(first, wrong.text, press(seed, 2))
  t.ok(confirmed.location, 'the first right number makes it active')
  t.match((await first.get('/admin/')).status, 200)

  const second = new Visitor(t, gateway.url)
  const verify = await signIn(second)
  t.match(verify.text, 'Press the button of your token')
  const replayed = await send(second, verify.text, press(seed, 2))
  t.equal(replayed.location, undefined, 'the number that set it up opens nothing')
  const skipped = await send(second, replayed.text, press(seed, 5))
  t.ok(skipped.location, 'presses that got lost are forgiven')
  t.equal((await second.get('/admin/')).status, 200)

  const third = new Visitor(t, gateway.url)
  const again = await signIn(third)
  const older = await send(third, again.text, press(seed, 4))
  t.equal(older.location, undefined, 'a number before the last used one is gone')
  t.ok((await send(third, older.text, press(seed, 6))).location)

  const checked = await gateway.run(['check'])
  t.equal(checked.code, 0, checked.stderr)
})

async function follow(visitor: Visitor, location: string | undefined) {
  let answer = await visitor.get(location ?? '/')
  for (let hops = 0; answer.location !== undefined && hops < 5; hops += 1) answer = await visitor.get(answer.location)
  return answer
}
