import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { runGatelodge, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { slowApplication } from './keeper.js'

t.setTimeout(120_000)

interface Found {
  readonly ok: boolean
  readonly findings: ReadonlyArray<{ status: string; what: string; says: string; todo?: string }>
}

const statusOf = ({ findings }: Found, what: string) => findings.find((one) => one.what.startsWith(what))?.status

t.test('doctor finds a gateway well when everything it needs is there', async (t) => {
  const application = await slowApplication(t)
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const gateway = await startGateway(t, {
    yaml: `
sites: [{ upstream: "${application.url}" }]
mail: { use: smtp, url: "smtp://127.0.0.1:${mail.port}", from: lodge@example.com }
secondFactor: { required: everyone }
`,
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: application.url },
  })
  const add = ['user', 'add', 'olga', '--email', 'olga@example.com', '--role', 'owner', '--password-stdin']
  t.equal((await gateway.run(add, 'correct horse 7 battery\n')).code, 0)
  const { code, stdout } = await gateway.run(['doctor', '--json'])
  const found = JSON.parse(stdout) as Found
  t.equal(code, 0, stdout)
  t.ok(found.ok)
  for (const what of [
    'configuration',
    'listener',
    'public URL',
    'data directory',
    'owners',
    'upstream',
    'mail',
    'traces',
    'second factor',
  ]) {
    t.equal(statusOf(found, what), 'ok', `${what}: ${stdout}`)
  }
  t.match(stdout, /a gateway runs with this file/)
  t.equal(mail.received, 0, 'and sends nothing')

  t.equal((await gateway.run(['settings', 'set', 'secondFactor.required', 'when-enabled'])).code, 0)
  const weaker = await gateway.run(['doctor'])
  t.match(weaker.stdout, /warn {2}second factor: asked only of people who have set one up/)
  t.equal(weaker.code, 0)
})

t.test('doctor says what is wrong, and what to do about it', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'gatelodge.yaml')
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  await mkdir(join(directory, 'data'))
  await chmod(join(directory, 'data'), 0o755)
  await writeFile(
    file,
    `
listen: 127.0.0.1:${(taken.address() as AddressInfo).port}
publicUrl: https://lodge.example.com
sites: [{ host: other.example.com, upstream: "http://127.0.0.1:${await freePort()}" }]
mail: { use: smtp, url: "smtp://127.0.0.1:${await freePort()}", from: lodge@example.com }
`,
  )
  const { code, stdout } = await runGatelodge(['doctor', '--json', '--config', file], {
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` },
  })
  const found = JSON.parse(stdout) as Found
  t.equal(code, 1)
  t.notOk(found.ok)
  for (const what of ['listener', 'data directory', 'upstream', 'mail']) t.equal(statusOf(found, what), 'fail', what)
  for (const what of ['host lodge.example.com', 'store', 'traces', 'second factor'])
    t.equal(statusOf(found, what), 'warn', what)
  t.ok(found.findings.every(({ status, todo }) => status === 'ok' || todo !== undefined))

  await writeFile(
    file,
    'sites: [{ upstream: "http://127.0.0.1:1" }]\nstore: { use: embedded, path: ./gatelodge.yaml/data }\n',
  )
  const nowhere = JSON.parse((await runGatelodge(['doctor', '--json', '--config', file])).stdout) as Found
  t.equal(statusOf(nowhere, 'data directory'), 'fail', 'one that the start could not make')

  await writeFile(file, 'sites: []\n')
  const broken = await runGatelodge(['doctor', '--config', file])
  t.equal(broken.code, 1)
  t.match(broken.stdout, /fail {2}configuration[\s\S]*gatelodge\.yaml:1:/)
})
