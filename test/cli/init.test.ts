import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { init } from '../../src/cli/commands/init.js'
import { codeAt } from '../support/authenticator-app.js'
import { freePort } from '../support/free-port.js'
import { runGatelodge, startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

t.test('a first file is at most 15 lines that check accepts, and what comes next is said', async (t) => {
  const cwd = t.testdir({})
  const made = await runGatelodge(
    ['init', '--upstream', 'http://127.0.0.1:3000/', '--url', 'https://crm.example.com/', '--listen', '[::1]:8080'],
    { cwd },
  )
  t.equal(made.code, 0, made.stderr)
  for (const word of ['gatelodge setup-link', 'gatelodge doctor', 'gatelodge start', 'https://crm.example.com']) {
    t.match(made.stdout, word)
  }
  const text = await readFile(join(cwd, 'gatelodge.yaml'), 'utf8')
  t.ok(text.trimEnd().split('\n').length <= 15, text)
  t.match(text, 'publicUrl: https://login.example.com', 'people sign in at a host of its own')
  t.match(made.stdout, 'certificate for crm.example.com and login.example.com')
  t.match(text, 'host: crm.example.com\n    upstream: http://127.0.0.1:3000\n    identity: remote-user')
  t.match(text, 'secrets: { key: "${file:./data.key}" }')
  const key = await readFile(join(cwd, 'data.key'), 'utf8')
  t.equal(
    (await stat(join(cwd, 'data.key'))).mode & 0o777,
    0o600,
    'its key is beside the data directory, and this user’s alone',
  )
  const checked = await runGatelodge(['check'], { cwd })
  t.equal(checked.code, 0, checked.stderr)

  for (const given of [
    ['--upstream', 'http://127.0.0.1:3000/crm', '--url', 'https://crm.example.com'],
    ['--upstream', 'http://127.0.0.1:3000', '--url', 'https://crm.example.com/start?x=1'],
    ['--add', '--upstream', 'http://127.0.0.1:3000/wiki', '--url', 'https://wiki.example.com'],
  ]) {
    const dropped = await runGatelodge(
      ['init', ...given, '--config', given[0] === '--add' ? 'gatelodge.yaml' : 'b.yaml'],
      {
        cwd,
      },
    )
    t.equal(dropped.code, 2, 'what would be dropped is refused')
    t.match(dropped.stderr, 'goes on behind the host: give http')
  }
  const again = await runGatelodge(['init', '--yes'], { cwd })
  t.equal(again.code, 2)
  t.match(again.stderr, 'is there already')
  t.equal(await readFile(join(cwd, 'gatelodge.yaml'), 'utf8'), text, 'what is there stays as it is')
  t.equal(await readFile(join(cwd, 'data.key'), 'utf8'), key)
})

t.test('the file runs as it is written', async (t) => {
  const application = createServer((request, response) => void response.end(`for ${request.headers['remote-user']}`))
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  t.teardown(() => {
    application.closeAllConnections()
    application.close()
  })
  const cwd = t.testdir({})
  const upstream = `http://127.0.0.1:${(application.address() as AddressInfo).port}`
  const url = `http://localhost:${await freePort()}`
  const made = await runGatelodge(['init', '--yes', '--upstream', upstream, '--url', url, '--config', 'made.yaml'], {
    cwd,
  })
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, 'gatelodge start --config made.yaml')
  const yaml = await readFile(join(cwd, 'made.yaml'), 'utf8')
  const gateway = await startGateway(t, { yaml, directory: cwd })
  const password = 'correct horse battery'
  const added = await gateway.run(['user', 'add', 'ana', '--role', 'owner', '--password-stdin'], password)
  t.equal(added.code, 0, added.stderr)
  const visitor = new Visitor(t, gateway.url)
  const asked = await visitor.get('/')
  t.equal(asked.status, 302)
  const signedIn = await visitor.fillIn(asked.location ?? '', { username: 'ana', password }, '/sign-in')
  t.match(signedIn.location, '/.gatelodge/enrol', 'a password alone opens nothing')
  t.equal((await visitor.get('/')).status, 302)
  t.equal((await visitor.get('/.gatelodge/admin')).status, 303)
  const page = await visitor.get('/.gatelodge/enrol/totp')
  const key = /data-copy="([^"]+)"/.exec(page.text)?.[1] ?? ''
  await visitor.fillIn('/.gatelodge/enrol/totp', { code: codeAt(key, Date.now()) }, '/enrol/totp')
  t.equal((await visitor.get('/')).text, 'for ana')
  t.equal((await visitor.get('/.gatelodge/admin')).status, 200)
})

t.test('without a person nothing is asked: what is missing or wrong is said, and nothing is written', async (t) => {
  const cwd = t.testdir({})
  const run = (...args: string[]) => runGatelodge(['init', ...args], { cwd })
  const missing = await run('--url', 'https://crm.example.com')
  t.equal(missing.code, 2)
  t.match(missing.stderr, '--upstream, or --yes')
  const wrong = await run('--yes', '--upstream', 'localhost:3000')
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, '"localhost:3000" is no address')
  const unknown = await run('--yes', '--identity', 'remote-usr')
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, 'remote-user')
  t.match(unknown.stderr, 'Nothing was written.')
  await t.rejects(readFile(join(cwd, 'gatelodge.yaml')), { code: 'ENOENT' })
  const nowhere = await run('--yes', '--config', 'no/such/directory.yaml')
  t.equal(nowhere.code, 1)
  t.match(nowhere.stderr, 'could not be written')
  await writeFile(join(cwd, 'taken.yaml'), 'kept\n')
  t.equal((await run('--yes', '--config', 'taken.yaml')).code, 2)
  t.equal(await readFile(join(cwd, 'taken.yaml'), 'utf8'), 'kept\n')
})

t.test('an application is added to a file that is there, and everything else in it stays', async (t) => {
  const cwd = t.testdir({})
  const run = (...args: string[]) => runGatelodge(['init', ...args], { cwd })
  const file = join(cwd, 'gatelodge.yaml')
  const made = await run(
    '--upstream',
    'http://127.0.0.1:3000',
    '--url',
    'https://crm.example.com',
    '--portal',
    'https://id.example.net',
  )
  t.equal(made.code, 0, made.stderr)
  const first = await readFile(file, 'utf8')
  t.match(first, 'publicUrl: https://id.example.net')
  const add = [
    '--add',
    '--upstream',
    'http://127.0.0.1:4000',
    '--url',
    'https://wiki.example.org',
    '--name',
    'The wiki',
  ]
  const added = await run(...add)
  t.equal(added.code, 0, added.stderr)
  const second = await readFile(file, 'utf8')
  const line = '  - { host: wiki.example.org, name: "The wiki", upstream: "http://127.0.0.1:4000" }\n'
  t.match(second, line)
  t.equal(second.replace(line, ''), first)
  const again = await run(...add)
  t.equal(again.code, 2, 'a site that is there already')
  t.match(again.stderr, 'stays as it was')
  t.equal(await readFile(file, 'utf8'), second)

  const flow = 'sites: [{ host: a.example.com, upstream: "http://127.0.0.1:1" }] # kept\nlisten: 127.0.0.1:8080\n'
  await writeFile(join(cwd, 'flow.yaml'), flow)
  t.equal((await run(...add, '--config', 'flow.yaml')).code, 0)
  t.match(await readFile(join(cwd, 'flow.yaml'), 'utf8'), /:1" \}, \{ host: wiki\.example\.org.*\}\] # kept\nlisten/)
  t.equal((await run(...add, '--config', 'none.yaml')).code, 1)
  t.equal((await run('--add', '--url', 'https://x.example.com')).code, 2)
})

t.test('with the same address for both the portal is the host of the application, as before', async (t) => {
  const cwd = t.testdir({})
  const url = 'https://crm.example.com'
  const made = await runGatelodge(['init', '--yes', '--url', url, '--portal', url], { cwd })
  t.equal(made.code, 0, made.stderr)
  t.match(await readFile(join(cwd, 'gatelodge.yaml'), 'utf8'), 'publicUrl: https://crm.example.com\n')
})

/** Answers one question after the other, as somebody at a terminal does. */
async function interview(cwd: string, answers: ReadonlyArray<readonly [question: string, keys: string]>) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => stdin })
  const stdout = Object.assign(new PassThrough(), { columns: 200, rows: 50 })
  const stderr = new PassThrough()
  let shown = ''
  for (const stream of [stdout, stderr]) stream.on('data', (chunk) => (shown += chunk))
  const running = init({ config: join(cwd, 'gatelodge.yaml') }, { stdin, stdout, stderr })
  for (const [question, keys] of answers) {
    await until(question, () => shown.includes(question))
    shown = shown.slice(shown.indexOf(question) + question.length)
    stdin.write(keys)
    await until(`${keys.length} keys taken`, () => stdin.readableLength === 0)
    stdin.write('\r')
  }
  return { code: await running, shown: () => shown }
}

t.test('a person is asked for further applications, and with several hosts for the portal', async (t) => {
  const cwd = t.testdir({})
  const { code, shown } = await interview(cwd, [
    ['Where is the application?', 'http://127.0.0.1:3000'],
    ['What do people type to reach it?', 'https://crm.example.com'],
    ['Where is the next application', 'http://127.0.0.1:4000'],
    ['What do people type to reach it?', 'https://wiki.example.org'],
    ['Where is the next application', ''],
    ['Where do people sign in?', 'https://id.example.net'],
    ['In which headers', ''],
  ])
  t.equal(code, 0, shown())
  const text = await readFile(join(cwd, 'gatelodge.yaml'), 'utf8')
  t.match(text, 'publicUrl: https://id.example.net')
  t.match(text, '  - host: crm.example.com\n    upstream: http://127.0.0.1:3000\n    identity: remote-user\n')
  t.match(text, '  - host: wiki.example.org\n    upstream: http://127.0.0.1:4000\n    identity: remote-user\n')
  const checked = await runGatelodge(['check'], { cwd })
  t.equal(checked.code, 0, checked.stderr)
})

t.test(
  'several hosts have a portal to be asked for also where none can be proposed, and each is named once',
  async (t) => {
    const cwd = t.testdir({})
    const { code, shown } = await interview(cwd, [
      ['Where is the application?', 'http://127.0.0.1:3000'],
      ['What do people type to reach it?', 'http://crm.localhost:8080'],
      ['Where is the next application', 'http://127.0.0.1:4000'],
      ['What do people type to reach it?', 'http://crm.localhost:8080'],
      ['is the host of an application already', `${'\u007f'.repeat(25)}http://wiki.localhost:8080`],
      ['Where is the next application', ''],
      ['Where do people sign in?', 'http://login.localhost:8080'],
      ['In which headers', ''],
    ])
    t.equal(code, 0, shown())
    const text = await readFile(join(cwd, 'gatelodge.yaml'), 'utf8')
    t.match(text, 'publicUrl: http://login.localhost:8080')
    t.match(text, '  - host: crm.localhost\n')
    t.match(text, '  - host: wiki.localhost\n')
    const checked = await runGatelodge(['check'], { cwd })
    t.equal(checked.code, 0, checked.stderr)
  },
)

t.test('who has one application on its own machine is asked for no portal', async (t) => {
  const cwd = t.testdir({})
  const { code, shown } = await interview(cwd, [
    ['Where is the application?', ''],
    ['What do people type to reach it?', ''],
    ['Where is the next application', ''],
    ['In which headers', ''],
  ])
  t.equal(code, 0, shown())
  t.match(await readFile(join(cwd, 'gatelodge.yaml'), 'utf8'), 'publicUrl: http://localhost:8080\n')
})
