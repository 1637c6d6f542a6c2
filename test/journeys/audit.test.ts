import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runGatelodge, startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'

const PASSWORD = 'a lamp over the lodge gate'
const yaml = `
sites: [{ upstream: "http://127.0.0.1:9" }]
audit:
  key: "\${AUDIT_KEY}"
  outs: [{ use: json-lines, path: ./log/audit.jsonl }]
`

t.test('an operator reads the audit, takes it out of the house, and verifies it', async (t) => {
  const gateway = await startGateway(t, { yaml, environment: { AUDIT_KEY: 'a key that is not in the store' } })
  const file = join(gateway.directory, 'log/audit.jsonl')
  const inFile = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  const added = await gateway.run(['user', 'add', 'ada', '--role', 'owner', '--password-stdin'], PASSWORD)
  t.equal(added.code, 0, added.stderr)
  await until('the file to have what the command wrote', () => {
    try {
      return inFile().some(({ event, username }) => event === 'admin.user-added' && username === 'ada')
    } catch {
      return false
    }
  })
  await gateway.run(['user', 'deactivate', 'ada'])

  const tail = await gateway.run(['audit', 'tail'])
  t.match(tail, { code: 0, stdout: /admin\.user-added +success +ada/ })
  const lines = (out: string) => out.split('\n').filter(Boolean)
  const json = (out: string) => lines(out).map((line) => JSON.parse(line))
  const exported = json((await gateway.run(['audit', 'export'])).stdout)
  t.same(
    exported.map(({ number }) => number),
    exported.map((_, index) => index + 1),
  )
  t.same(json((await gateway.run(['audit', 'tail', '--json', '-n', '1'])).stdout), exported.slice(-1))

  const found = json((await gateway.run(['audit', 'search', '--user', 'ADA', '--event', 'admin.*', '--json'])).stdout)
  t.match(found.at(-1), { event: 'admin.user-added' })
  t.ok(found.some(({ event }) => event === 'admin.user-deactivated'))
  t.equal((await gateway.run(['audit', 'search', '--user', 'nobody'])).stdout, '')
  t.equal((await gateway.run(['audit', 'search', '--until', '1h'])).stdout, '')
  t.match(await gateway.run(['audit', 'search', '--since', '1h', '--limit', '1']), {
    code: 0,
    stdout: /^\S+Z {2}[^\n]+\n$/,
  })
  for (const wrong of [
    ['--since', 'yesterday'],
    ['--address', '10.0.0.0/33'],
  ]) {
    t.match(await gateway.run(['audit', 'search', ...wrong]), { code: 2, stdout: '' })
  }

  const verified = await gateway.run(['audit', 'verify'])
  t.match(verified, { code: 0, stdout: /^intact: \d+ entries/ })
  const head = /^head: (\d+:\S{43})$/m.exec(verified.stdout)?.[1] ?? ''
  t.match(await gateway.run(['audit', 'verify', '--head', head, '--json']), { code: 0 })
  t.match(await gateway.run(['audit', 'verify', '--head', 'x'.repeat(43)]), { code: 1, stdout: /NOT INTACT/ })
  t.equal((await gateway.run(['audit', 'verify', '--head', 'short'])).code, 2)
  const environment = { AUDIT_KEY: 'another key than the one of before', GATEWAY_PORT: String(gateway.port) }
  const forged = await runGatelodge(['audit', 'verify', '--config', gateway.configFile], { environment })
  t.match(forged, { code: 1, stdout: /BROKEN {2}Entry 1 was written with a key/ })
  t.same(
    inFile()
      .slice(0, exported.length)
      .map(({ hash }) => hash),
    exported.map(({ hash }) => hash),
  )
})
