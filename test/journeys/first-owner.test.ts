import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { codeAt } from '../support/authenticator-app.js'
import { skipWithoutPython } from '../support/callers.js'
import { freePort } from '../support/free-port.js'
import { main, runGatelodge } from '../support/gateway.js'
import { startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { formOf, type Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

/** The way in to an installation that nobody owns yet: whoever has the link becomes the owner of everything. */

const own = (page: string) => `/.gatelodge${page}`
const password = 'seven herons over the weir'
const hour = 3_600_000

async function open(scope: Parameters<typeof startHouse>[0], more = '', directory?: string) {
  const clock = { ms: Date.now() }
  const gateway = await startHouse(scope, {
    yaml: `publicUrl: http://localhost:8080\nsites: [{ upstream: "http://127.0.0.1:1" }]\nsecondFactor: { required: everyone, methods: [{ use: totp }] }\n${more}`,
    now: () => clock.ms,
    ...(directory === undefined ? {} : { directory }),
  })
  const link = async () => {
    const { path } = await gateway.core.identity.firstOwner.issue()
    return own(path)
  }
  return { gateway, clock, link }
}

const filled = { username: 'olga', password, repeated: password, email: 'olga@example.com' }

function become(visitor: Visitor, link: string, more: Readonly<Record<string, string>> = {}) {
  return visitor.fillIn(link, { ...filled, ...more }, '/setup')
}

t.test('the link makes the first owner, who sets up a second factor and lands at the desk', async (t) => {
  const { gateway, clock, link } = await open(t)
  const olga = gateway.visitor()
  const address = await link()
  t.match((await olga.get(address)).text, 'Make yourself the owner')
  t.equal((await olga.get(address)).status, 200, 'a scanner that follows it uses nothing up')
  const made = await become(olga, address)
  t.match(made.location, own('/enrol?return=%2F.gatelodge%2Fadmin'))
  t.match((await olga.get(own('/admin'))).location, own('/sign-in'), 'the password alone opens no desk')
  const [user] = await gateway.core.directory.find({ username: 'olga' })
  t.match(await gateway.core.identity.accounts.find(user?.id ?? ''), { role: 'owner', status: 'active' })
  t.equal(user?.email, 'olga@example.com')

  const enrolment = await olga.get(own('/enrol/totp?return=%2F.gatelodge%2Fadmin'))
  const key = /data-copy="([A-Z2-7]+)"/.exec(enrolment.text)?.[1] ?? ''
  const { fields } = formOf(enrolment.text)
  const enrolled = await olga.post(own('/enrol/totp'), { ...fields, code: codeAt(key, clock.ms) })
  t.equal(enrolled.status, 303)
  const desk = await olga.get(own('/admin'))
  t.match(desk.text, 'You are the only one here so far')
  t.match(desk.text, 'Add the first user</a>, and hand them a link')
  await gateway.addUser('ben')
  t.notMatch((await olga.get(own('/admin'))).text, 'You are the only one here so far')

  const entries = (await gateway.core.audit.since(0, 1000)).filter(({ event }) => event === 'admin.user-added')
  t.match(entries, [
    { outcome: 'intended', by: 'setup-link', username: 'olga', details: { role: 'owner' } },
    { outcome: 'success', by: 'setup-link', username: 'olga', address: '127.0.0.1' },
  ])
  const secret = new URL(address, gateway.url).searchParams.get('token') ?? ''
  t.notOk(JSON.stringify([entries, gateway.lines]).includes(secret), 'the link is in no record and in no log')
})

t.test(
  'what is wrong with the form is said at its field, with what was typed kept, and the link stays good',
  async (t) => {
    const { gateway, link } = await open(t)
    const visitor = gateway.visitor()
    const address = await link()
    for (const [wrong, words] of [
      [{ username: ' ' }, 'Enter a username'],
      [{ username: 'a\u0000b' }, 'class="fault"'],
      [{ email: 'olga at home' }, 'This is not one mail address'],
      [{ password: '', repeated: '' }, 'Enter a password'],
      [{ password: 'short', repeated: 'short' }, 'A password has at least'],
      [{ repeated: 'something else' }, 'The two are not the same'],
    ] as const) {
      const answer = await become(visitor, address, wrong)
      t.equal(answer.status, 422, JSON.stringify(wrong))
      t.match(answer.text, words)
      if (!('email' in wrong)) t.match(answer.text, 'value="olga@example.com"')
      t.notMatch(answer.text, password, 'a password never comes back')
    }
    t.equal(await gateway.core.identity.firstOwner.isMissing(), true)
    t.match((await become(visitor, address)).location, own('/enrol'))
  },
)

t.test('attack: a link that was used, replaced, is late, or came after there was an owner', async (t) => {
  const { gateway, clock, link } = await open(t)
  const replaced = await link()
  const late = await link()
  const over = async (address: string, why: string) => {
    const visitor = gateway.visitor()
    const shown = await visitor.get(address)
    t.equal(shown.status, 410, why)
    t.match(shown.text, 'This link does not work any more')
  }
  await over(replaced, 'a newer one took its place')
  await over(`${own('/setup')}?token=${'A'.repeat(43)}`, 'a guess')
  await over(own('/setup'), 'no token')
  clock.ms += hour
  await over(late, 'after an hour')

  const used = await link()
  const olga = gateway.visitor()
  t.match((await become(olga, used)).location, own('/enrol'))
  await over(used, 'used')
  const another = await link()
  await over(another, 'there is an owner: even one that somebody managed to get is worth nothing')
})

t.test('attack: a form that was open when somebody else became the owner', async (t) => {
  const { gateway, link } = await open(t)
  const address = await link()
  const mallory = gateway.visitor()
  const form = formOf((await mallory.get(address)).text, own('/setup'))
  await gateway.addUser('olga', { role: 'owner' })
  const answer = await mallory.post(own('/setup'), { ...form.fields, ...filled, username: 'mallory' })
  t.equal(answer.status, 410)
  t.same(await gateway.core.directory.find({ username: 'mallory' }), [])
})

t.test('attack: many send the same link at the same moment, and one becomes the owner', async (t) => {
  const { gateway, link } = await open(t)
  const address = await link()
  const people = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const visitor = gateway.visitor()
      return { visitor, form: formOf((await visitor.get(address)).text, own('/setup')), username: `olga${index}` }
    }),
  )
  const answers = await Promise.all(
    people.map(({ visitor, form, username }) =>
      visitor.post(own('/setup'), { ...form.fields, ...filled, email: '', username }),
    ),
  )
  t.equal(answers.filter(({ location }) => location?.startsWith(own('/enrol'))).length, 1)
  t.equal(answers.filter(({ status }) => status === 410).length, 7)
  t.equal((await gateway.core.identity.accounts.owners.list()).length, 1)
})

t.test('attack: another site sends the form, or sends it without having read the page', async (t) => {
  const { gateway, link } = await open(t)
  const token = new URL(await link(), gateway.url).searchParams.get('token') ?? ''
  const visitor = gateway.visitor()
  const blind = await visitor.post(own('/setup'), { ...filled, link: token })
  t.equal(blind.status, 400)
  t.match(blind.text, 'open too long')
  const across = await visitor.post(
    own('/setup'),
    { ...filled, link: token },
    { headers: { origin: 'https://evil.example' } },
  )
  t.equal(across.status, 403)
  t.equal(await gateway.core.identity.firstOwner.isMissing(), true)
})

t.test('a name that is taken is said, and the link works with another', async (t) => {
  const { gateway, link } = await open(t)
  await gateway.addUser('olga')
  const address = await link()
  const visitor = gateway.visitor()
  const taken = await become(visitor, address)
  t.equal(taken.status, 422)
  t.match(taken.text, 'There is a user with this name already')
  t.match((await become(visitor, address, { username: 'olga2' })).location, own('/enrol'))
})

t.test('the command prints one while there is no owner, and says why not otherwise', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(
    join(directory, 'gatelodge.yaml'),
    'publicUrl: https://login.example.com\ntrustedProxies: [127.0.0.1]\nsites: [{ host: crm.example.com, upstream: "http://127.0.0.1:1" }]\n',
  )
  const run = (...words: string[]) => runGatelodge(words, { cwd: directory, input: password })
  const printed = await run('setup-link')
  t.equal(printed.code, 0, printed.stderr)
  t.match(printed.stdout, /^https:\/\/login\.example\.com\/\.gatelodge\/setup\?token=[\w-]{43}\n$/)
  t.match(printed.stderr, 'it makes the first owner, once, until')
  t.match(JSON.parse((await run('setup-link', '--json')).stdout), { link: /setup/, expiresAt: /Z$/ })
  t.equal((await run('user', 'add', 'olga', '--role', 'owner', '--password-stdin')).code, 0)
  const refused = await run('setup-link')
  t.equal(refused.code, 1)
  t.match(refused.stderr, 'There is an owner')
})

t.test('a directory that is kept elsewhere makes nobody, and says what does', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'users'), '')
  const { gateway } = await open(t, `users: { use: htpasswd, file: ${join(directory, 'users')} }`)
  const visitor = gateway.visitor()
  const { path } = await gateway.core.identity.firstOwner.issue()
  t.equal((await visitor.get(own(path))).status, 410)
})

t.test(
  'at a terminal, start says in words where everything is, and shows the link; a log never does',
  { skip: skipWithoutPython() },
  async (t) => {
    const directory = await temporaryDirectory(t)
    const port = await freePort()
    await writeFile(
      join(directory, 'gatelodge.yaml'),
      `listen: 127.0.0.1:${port}\npublicUrl: http://localhost:${port}\nsites: [{ upstream: "http://127.0.0.1:1" }]\n`,
    )
    const terminal = spawn(
      'python3',
      ['-c', 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)', process.execPath, main, 'start'],
      { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] },
    )
    t.teardown(() => terminal.kill('SIGKILL'))
    let shown = ''
    terminal.stdout.on('data', (piece: Buffer) => {
      shown += piece
    })
    await until('the welcome', () => shown.includes('Ctrl+C ends it'))
    t.match(shown, new RegExp(`Listens at +http://127\\.0\\.0\\.1:${port}`))
    t.match(shown, new RegExp(`The desk is at +http://localhost:${port}/\\.gatelodge/admin`))
    t.match(shown, /Every host +goes to http:\/\/127\.0\.0\.1:1/)
    t.match(shown, /^\d\d:\d\d:\d\d INFO +listening/m, 'and the log is for people')
    t.notMatch(shown, '{"level"')
    const [, token = ''] = /\/setup\?token=([\w-]{43})/.exec(shown) ?? []
    const page = await fetch(`http://localhost:${port}/.gatelodge/setup?token=${token}`)
    t.equal(page.status, 200)
    t.match(await page.text(), 'Make yourself the owner')
    // Ctrl+C, as a person ends it.
    terminal.stdin.write('\u0003')
    await once(terminal, 'exit')
    t.equal(shown.split(token).length, 2, 'it stands there once')
  },
)

t.test('a port that is taken is one sentence', async (t) => {
  const { gateway } = await open(t)
  const directory = await temporaryDirectory(t)
  await writeFile(
    join(directory, 'gatelodge.yaml'),
    `listen: 127.0.0.1:${gateway.port}\nsites: [{ upstream: "http://127.0.0.1:1" }]\n`,
  )
  const { code, stderr, stdout } = await runGatelodge(['start'], { cwd: directory })
  t.equal(code, 1)
  t.equal(stderr, `127.0.0.1:${gateway.port} is taken by another program: stop that one, or change listen.\n`)
  t.notMatch(stdout, 'setup?token', 'no link where nobody is at a terminal')
})
