import t, { type Test } from 'tap'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'
import { tell, timed } from './table.js'

/**
 * Everything that can be used once, used by two gateways in the same moment. Sent codes and half-way sign-ins
 * are raced in the journeys of codes; here are the others.
 */

t.setTimeout(300_000)

const password = 'correct horse 7 battery'
const own = (path: string) => `/.gatelodge${path}`
const tries = 8

async function twoGateways(t: Test, mail: string): Promise<readonly [RunningGateway, RunningGateway]> {
  const data = await temporaryDirectory(t)
  const yaml = `
publicUrl: http://localhost
sites: [{ upstream: "http://127.0.0.1:1" }]
secondFactor: { required: everyone, unenrolled: recovery-code }
mail: { use: smtp, url: "${mail}", from: "a@example.com" }
store: { use: embedded, path: "${data}/data" }
`
  return [await startGateway(t, { yaml }), await startGateway(t, { yaml })]
}

async function follow(visitor: Visitor, answer: Answer): Promise<Answer> {
  let now = answer
  for (let hops = 0; now.location?.startsWith(own('')) && hops < 6; hops += 1) now = await visitor.get(now.location)
  return now
}

async function signIn(visitor: Visitor, username: string): Promise<Answer> {
  return follow(visitor, await visitor.fillIn(own('/sign-in?return=/'), { username, password }, '/sign-in'))
}

function submit(visitor: Visitor, page: Answer, action: string, fields: Record<string, string>): Promise<Answer> {
  const form = formOf(page.text, action)
  return visitor.post(form.action ?? own(action), { ...form.fields, ...fields })
}

/** A browser with the cookies of another, at one of the gateways. */
function twin(t: Test, of: Visitor, gateway: RunningGateway): Visitor {
  const visitor = new Visitor(t, gateway.url)
  for (const [name, value] of of.cookies) visitor.cookies.set(name, value)
  return visitor
}

const keyOn = (page: Answer) => /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''

t.test('what is good once is good once, over two processes on one store', async (t) => {
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const gateways = await twoGateways(t, mail.url)
  const [first] = gateways
  const at = (index: number) => gateways[index % 2 === 0 ? 0 : 1]
  for (const name of ['ana', 'bo', 'cleo']) {
    const args = ['user', 'add', name, '--role', 'user', '--email', `${name}@example.com`, '--password-stdin']
    const added = await first.run(args, `${password}\n`)
    t.equal(added.code, 0, added.stderr)
  }
  const recoveryCode = async (name: string) => (await first.run(['user', 'recovery-code', name])).stdout.trim()
  const race = async (
    what: string,
    work: (index: number) => Promise<Answer>,
    { count = tries, hasWorked = ({ status }: Answer) => status === 303 } = {},
  ) => {
    const { value, ms } = await timed(() => Promise.all(Array.from({ length: count }, (_, index) => work(index))))
    const times = value.filter(hasWorked).length
    t.equal(times, 1, `${what}: ${times} of ${count}`)
    const more = 'until the last of them was answered'
    tell(t, {
      fault: `${what}, used ${count} times at two gateways at once`,
      saw: 'it worked once',
      answerMs: ms,
      more,
    })
    const index = value.findIndex(hasWorked)
    return { index, answer: value[index] as Answer }
  }
  const mailed = (name: string, path: RegExp) =>
    until(
      `the mail to ${name}`,
      () =>
        mail.arrived
          .filter(({ envelope }) => envelope.to.includes(`${name}@example.com`))
          .map(({ email }) => path.exec(email.text ?? '')?.[0])
          .find((found) => found !== undefined),
      30_000,
    )

  const knownBrowsers = Array.from({ length: tries }, (_, index) => new Visitor(t, at(index).url))
  const pages: Answer[] = []
  for (const browser of knownBrowsers) pages.push(await signIn(browser, 'ana'))
  const code = await recoveryCode('ana')
  await race('recovery code', (index) =>
    submit(knownBrowsers[index] as Visitor, pages[index] as Answer, '/verify/recovery-code', { code }),
  )

  const bo = new Visitor(t, first.url)
  const page = await signIn(bo, 'bo')
  t.equal((await submit(bo, page, '/verify/recovery-code', { code: await recoveryCode('bo') })).status, 303)
  await untilTwoCodesAreGood()
  const enrol = await follow(bo, await bo.get(own('/enrol/totp')))
  const key = keyOn(enrol)
  const twins = Array.from({ length: tries }, (_, index) => twin(t, bo, at(index)))
  const confirmed = await race('confirmation of an app', (index) =>
    submit(twins[index] as Visitor, enrol, '/enrol/totp', { code: codeAt(key, Date.now() - 30_000) }),
  )

  const verifiers = Array.from({ length: 4 }, (_, index) => new Visitor(t, at(index).url))
  const asked: Answer[] = []
  for (const verifier of verifiers) asked.push(await signIn(verifier, 'bo'))
  const now = codeAt(key, Date.now())
  await race(
    'code of an app',
    (index) => submit(verifiers[index] as Visitor, asked[index] as Answer, '/verify', { code: now }),
    { count: verifiers.length },
  )

  const codes = await follow(twins[confirmed.index] as Visitor, confirmed.answer)
  const backup = /<li><code>([^<]*)</.exec(codes.text)?.[1] ?? ''
  const others = Array.from({ length: tries }, (_, index) => new Visitor(t, at(index).url))
  const questions: Answer[] = []
  for (const other of others) {
    await signIn(other, 'bo')
    questions.push(await other.get(own('/verify/backup-code')))
  }
  await race('backup code', (index) =>
    submit(others[index] as Visitor, questions[index] as Answer, '/verify/backup-code', { code: backup }),
  )

  const link = await mailed('bo', /\/\.gatelodge\/not-me\?token=[\w-]{43}/)
  const strangers = Array.from({ length: tries }, (_, index) => new Visitor(t, at(index).url))
  const shown = await Promise.all(strangers.map((stranger) => stranger.get(link)))
  t.same([...new Set(shown.map(({ status }) => status))], [200])
  await race(
    'link “this was not me”',
    (index) => submit(strangers[index] as Visitor, shown[index] as Answer, '/not-me', {}),
    { hasWorked: ({ location }) => location?.includes('done=') === true },
  )

  t.equal((await first.run(['user', 'login-link', 'cleo'])).code, 0)
  const letter = await mailed('cleo', /\/\.gatelodge\/link\S*/)
  const readers = Array.from({ length: tries }, (_, index) => new Visitor(t, at(index).url))
  const opened = await Promise.all(readers.map((reader) => reader.get(letter)))
  await race('link to sign in', (index) => submit(readers[index] as Visitor, opened[index] as Answer, '/link', {}))
})
