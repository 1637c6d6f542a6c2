import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { runGatelodge, startGateway } from '../support/gateway.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

t.test('a first file is at most 15 lines that check accepts, and what comes next is said', async (t) => {
  const cwd = t.testdir({})
  const made = await runGatelodge(
    [
      'init',
      '--upstream',
      'http://127.0.0.1:3000/',
      '--url',
      'https://crm.example.com/ignored',
      '--listen',
      '[::1]:8080',
    ],
    { cwd },
  )
  t.equal(made.code, 0, made.stderr)
  for (const word of ['user add NAME --role owner', 'gatelodge doctor', 'gatelodge start', 'https://crm.example.com']) {
    t.match(made.stdout, word)
  }
  const text = await readFile(join(cwd, 'gatelodge.yaml'), 'utf8')
  t.ok(text.trimEnd().split('\n').length <= 15, text)
  t.match(text, 'host: crm.example.com\n    upstream: http://127.0.0.1:3000\n    identity: remote-user')
  const checked = await runGatelodge(['check'], { cwd })
  t.equal(checked.code, 0, checked.stderr)

  const again = await runGatelodge(['init', '--yes'], { cwd })
  t.equal(again.code, 2)
  t.match(again.stderr, 'is there already')
  t.equal(await readFile(join(cwd, 'gatelodge.yaml'), 'utf8'), text, 'what is there stays as it is')
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
  const gateway = await startGateway(t, { yaml, directory: join(cwd, 'home') })
  const password = 'correct horse battery'
  const added = await gateway.run(['user', 'add', 'ana', '--role', 'owner', '--password-stdin'], password)
  t.equal(added.code, 0, added.stderr)
  const visitor = new Visitor(t, gateway.url)
  const asked = await visitor.get('/')
  t.equal(asked.status, 302)
  await visitor.fillIn(asked.location ?? '', { username: 'ana', password }, '/sign-in')
  t.equal((await visitor.get('/')).text, 'for ana')
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
