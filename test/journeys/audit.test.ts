import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startGateway } from '../support/gateway.js'
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
  const json = (text: string) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  const file = join(gateway.directory, 'log/audit.jsonl')
  const added = await gateway.run(['user', 'add', 'ada', '--role', 'owner', '--password-stdin'], PASSWORD)
  t.equal(added.code, 0, added.stderr)
  await until('the file to have what the command wrote', () => {
    try {
      return json(readFileSync(file, 'utf8')).some(({ event }) => event === 'admin.user-added')
    } catch {
      return false
    }
  })
  t.match(await gateway.run(['audit', 'tail']), { code: 0, stdout: /admin\.user-added +success +ada/ })
  const exported = json((await gateway.run(['audit', 'export'])).stdout)
  t.same(
    json(readFileSync(file, 'utf8'))
      .slice(0, exported.length)
      .map(({ number, hash }) => [number, hash]),
    exported.map(({ number, hash }) => [number, hash]),
  )
  const found = json((await gateway.run(['audit', 'search', '--user', 'ADA', '--event', 'admin.*', '--json'])).stdout)
  t.match(found.at(-1), { event: 'admin.user-added' })

  const verified = await gateway.run(['audit', 'verify'])
  t.match(verified, { code: 0, stdout: /^intact: \d+ entries/ })
  const head = /^head: (\d+:\S{43})$/m.exec(verified.stdout)?.[1] ?? ''
  t.match(await gateway.run(['audit', 'verify', '--head', head]), { code: 0 })
})
