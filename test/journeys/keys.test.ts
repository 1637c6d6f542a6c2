import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { withCore } from '../../src/cli/with-config.js'
import { MasterKey } from '../../src/secrets/master-key.js'
import { kidOf } from '../../src/secrets/sealer.js'
import { codeAt } from '../support/authenticator-app.js'
import { application } from '../support/front-door.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'

t.setTimeout(900_000)

/** The key outside the store: where it is made, what happens without it, and how it is exchanged. */

const password = 'correct horse 7 battery'
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const own = (page: string) => `/.gatelodge${page}`

const yamlFor = (url: string, more = '') => `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites: [{ upstream: "${url}", rules: [{ path: /admin/**, access: second-factor }] }]
${more}`

async function follow(visitor: Visitor, answer: Answer): Promise<Answer> {
  let next = answer
  for (let step = 0; next.location !== undefined && step < 10; step += 1) next = await visitor.get(next.location)
  return next
}

async function signIn(t: Test, gateway: RunningGateway, name: string): Promise<{ visitor: Visitor; page: Answer }> {
  const visitor = new Visitor(t, gateway.url)
  const form = own('/sign-in?return=%2Fadmin%2F')
  return { visitor, page: await follow(visitor, await visitor.fillIn(form, { username: name, password }, '/sign-in')) }
}

/** A user with an authenticator app, whose code of now is not used up yet. @returns its key */
async function withApp(t: Test, gateway: RunningGateway, name: string): Promise<string> {
  const added = await gateway.run(['user', 'add', name, '--role', 'owner', '--password-stdin'], `${password}\n`)
  if (added.code !== 0) throw new Error(added.stderr)
  const { visitor } = await signIn(t, gateway, name)
  const page = await visitor.get(own('/enrol/totp?return=%2Fadmin%2F'))
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const { action = '', fields } = formOf(page.text, '/enrol/totp')
  const done = await visitor.post(action, { ...fields, code: codeAt(key, Date.now() - 30_000) })
  if (done.status !== 303) throw new Error(`${done.status} ${done.text}`)
  return key
}

async function answerWith(t: Test, gateway: RunningGateway, name: string, key: string): Promise<number> {
  const { visitor, page } = await signIn(t, gateway, name)
  const { action = '', fields } = formOf(page.text, '/verify')
  return (await visitor.post(action, { ...fields, code: codeAt(key, Date.now()) })).status
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

t.test(
  'the first start makes a key beside the data directory, and nothing starts without it or with another',
  async (t) => {
    const app = await application(t)
    const gateway = await startGateway(t, { yaml: yamlFor(app.url) })
    const file = join(gateway.directory, 'data.key')
    t.equal((await stat(file)).mode & 0o777, 0o600)
    t.equal(
      gateway.logLines().filter(({ msg, message }) => /made the key/.test(String(msg ?? message))).length,
      1,
      'said once',
    )
    const key = await withApp(t, gateway, 'ana')
    const stored = await readFile(join(gateway.directory, 'data/gatelodge.mdb'), 'latin1')
    t.match(stored, /enrolment\//)
    t.notMatch(stored, key)
    t.notMatch(
      stored,
      await readFile(file, 'utf8').then((text) => lines(text).at(-1)?.slice(0, 43) ?? ''),
      'nor the key',
    )
    await gateway.stop()

    const start = () => gateway.run(['user', 'list'])
    await rename(file, `${file}.away`)
    const missing = await start()
    t.equal(missing.code, 1)
    t.equal(lines(missing.stderr).length, 1, missing.stderr)
    for (const word of [file, 'was sealed with the key', 'Put that key back']) t.match(missing.stderr, word)
    t.notOk(await stat(file).catch(() => undefined), 'and none is made in its place')

    await writeFile(file, MasterKey.draw().text)
    const wrong = await start()
    t.equal(wrong.code, 1)
    t.match(wrong.stderr, 'was sealed with the key')
    await writeFile(file, 'c2hvcnQ=')
    const short = await start()
    t.equal(short.code, 1)
    t.match(short.stderr, /data\.key has 5 bytes, and a key has 32/)
    t.notMatch(short.stderr, 'c2hvcnQ')
    const doctor = await gateway.run(['doctor'])
    t.match(doctor.stdout, /fail {2}keys: .*has 5 bytes/)

    await rename(`${file}.away`, file)
    t.match((await gateway.run(['doctor'])).stdout, /ok {4}keys: /)
    await gateway.start()
    t.equal(await answerWith(t, gateway, 'ana', key), 303)
  },
)

t.test('a key that is written badly is a mistake of the file with its place, and is not printed', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'gatelodge.yaml')
  const gateway = { check: (yaml: string) => checked(file, yaml) }
  const site = 'sites: [{ upstream: "http://127.0.0.1:1" }]\n'
  const short = await gateway.check(`${site}secrets: { key: c2hvcnQtY2FuYXJ5 }\n`)
  t.equal(short.code, 2)
  t.match(short.text, /gatelodge\.yaml:2:\d+ {2}secrets\.key: has 12 bytes, and a key has 32/)
  t.notMatch(short.text, 'c2hvcnQtY2FuYXJ5')
  const old = await gateway.check(`${site}secrets: { oldKeys: [c2hvcnQtY2FuYXJ5] }\n`)
  t.equal(old.code, 2)
  t.notMatch(old.text, 'c2hvcnQtY2FuYXJ5')
  const gone = await gateway.check(`${site}secrets: { key: "\${file:./gone.key}" }\n`)
  t.match(gone.text, /gone\.key[\s\S]*|does not exist/)
  t.match(gone.text, 'put that file back')
  const redis = await gateway.check(`${site}store: { use: redis, url: "redis://127.0.0.1:1" }\n`)
  t.equal(redis.code, 2)
  t.match(redis.text, /secrets\.key: is missing: every gateway on this store needs/)
})

async function checked(file: string, yaml: string): Promise<{ code: number; text: string }> {
  await writeFile(file, yaml)
  const child = spawn(process.execPath, [main, 'check', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part))
  const [code] = await once(child, 'close')
  return { code, text }
}

t.test(
  'keys rotate is killed in the middle while the gateway runs: said again it ends, and nobody is locked out',
  async (t) => {
    const app = await application(t)
    const gateway = await startGateway(t, { yaml: yamlFor(app.url) })
    const file = join(gateway.directory, 'data.key')
    const key = await withApp(t, gateway, 'ana')
    const count = 3000
    await inside(gateway, async ({ store, sealer }) => {
      for (let at = 0; at < count; at += 1) {
        const where = `enrolment/nobody/${at}`
        await store.set(where, { sealed: sealer.seal(where, at) })
      }
    })
    const before = await readFile(file, 'utf8')
    const args = [main, 'keys', 'rotate', '--config', gateway.configFile]
    const env = { ...process.env, GATEWAY_PORT: String(gateway.port) }
    let gone: Promise<unknown[]> = Promise.resolve([])
    await inside(gateway, async ({ store, sealer }) => {
      const { kid } = sealer.ring.current
      const child = spawn(process.execPath, args, { stdio: 'ignore', env })
      gone = once(child, 'exit')
      const isAnew = async (at: number) =>
        kidOf(((await store.get(`enrolment/nobody/${at}`)) as { sealed?: string }).sealed) !== kid
      while (!(await isAnew(0)) && child.exitCode === null) await new Promise(setImmediate)
      child.kill('SIGKILL')
      await gone
      t.notOk(await isAnew(999), 'the last in the order of keys is still sealed with the old one')
    })
    t.not(await readFile(file, 'utf8'), before)
    t.same(await gone, [null, 'SIGKILL'], 'in the middle')
    t.match(await shown(gateway), { keys: { length: 2 }, clear: 0 })

    t.equal(await answerWith(t, gateway, 'ana', key), 303, 'half of it sealed with each')
    const again = await gateway.run(['keys', 'rotate', '--json'])
    t.equal(again.code, 0, again.stderr)
    const said = JSON.parse(again.stdout)
    t.match(said, { resumed: true, unreadable: 0, old: { length: 1 } })
    const rows = (await shown(gateway)).keys
    t.equal(rows.length, 2, 'no third key was made')
    t.match(rows, [
      { kid: said.kid, seals: true, needed: true },
      { kid: said.old[0], sealed: 0, needed: false },
    ])

    // The old key is removed: the new one opens all of it, and the gateway that has run through all this seals with it.
    await writeFile(
      file,
      lines(await readFile(file, 'utf8'))
        .slice(0, 2)
        .join('\n'),
    )
    let opened = 0
    await inside(gateway, async ({ store, sealer }) => {
      for (let at = 0; at < count; at += 1) {
        const where = `enrolment/nobody/${at}`
        const kept = (await store.get(where)) as { sealed?: string } | undefined
        if (sealer.open(where, kept?.sealed)?.value === at) opened += 1
      }
    })
    t.equal(opened, count)
    t.match((await gateway.run(['doctor'])).stdout, /ok {4}keys: /)
    const twice = await gateway.run(['keys', 'rotate'])
    t.match(twice.stdout, /sealed anew with the key/)
    const { events } = JSON.parse(
      `{"events":[${lines((await gateway.run(['audit', 'search', '--event', 'admin.keys-rotated', '--json'])).stdout).join()}]}`,
    )
    t.ok(events.length >= 4)
  },
)

type Rooms = Parameters<Parameters<typeof withCore>[1]>[0]

/** Works on the gateway's own store, beside it. */
async function inside(gateway: RunningGateway, work: (services: Rooms) => Promise<void>): Promise<void> {
  process.env['GATEWAY_PORT'] = String(gateway.port)
  const code = await withCore(gateway.configFile, async (services) => {
    await work(services)
    return 0
  })
  if (code !== 0) throw new Error(`${code}`)
}

interface Shown {
  readonly keys: ReadonlyArray<{ kid: string; seals: boolean; needed: boolean; sealed: number }>
  readonly clear: number
}

async function shown(gateway: RunningGateway): Promise<Shown> {
  return JSON.parse((await gateway.run(['keys', 'show', '--json'])).stdout)
}

t.test(
  'two gateways on Redis have one key file: it is exchanged while both run, and nothing secret is in Redis',
  { skip: skipWithoutRedis() },
  async (t) => {
    const app = await application(t)
    const redis = await startRedis(t)
    const directory = await temporaryDirectory(t)
    const keyFile = join(directory, 'shared.key')
    const yaml = yamlFor(
      app.url,
      `store: { use: redis, url: "${redis.url}" }\nsecrets: { key: "\${file:${keyFile}}" }\n`,
    )
    await writeFile(keyFile, MasterKey.draw().text)
    const one = await startGateway(t, { yaml, directory: join(directory, 'one') })
    const two = await startGateway(t, { yaml, directory: join(directory, 'two') })
    const key = await withApp(t, one, 'ana')
    const refused = await one.run(['keys', 'rotate'])
    t.equal(refused.code, 1)
    t.match(refused.stderr, '--same-file')
    const rotated = await one.run(['keys', 'rotate', '--same-file', '--json'])
    t.equal(rotated.code, 0, rotated.stderr)
    const { kid } = JSON.parse(rotated.stdout)
    t.equal(await answerWith(t, two, 'ana', key), 303, 'a gateway that has not read its file since')
    const other = await withApp(t, two, 'bob')
    const { keys } = await shown(one)
    t.same(
      keys.filter(({ needed }) => needed).map((row) => row.kid),
      [kid],
      'both seal with the new key',
    )

    const { createClient } = await import('@keyv/redis')
    const client = createClient({ url: redis.url })
    await client.connect()
    t.teardown(() => client.destroy())
    const values: string[] = []
    for (const name of await client.keys('*')) {
      const dump = await client.get(name).catch(() => '')
      values.push(`${name} ${dump}`)
    }
    const all = values.join('\n')
    t.match(all, 'enrolment/')
    for (const secret of [key, other]) t.notMatch(all, secret)
  },
)

t.test(
  'a backup goes to another machine: with the key file of the first it is restored there, without it nothing is touched',
  async (t) => {
    const app = await application(t)
    const one = await startGateway(t, { yaml: yamlFor(app.url) })
    const key = await withApp(t, one, 'ana')
    const file = join(one.directory, 'backup')
    t.equal((await one.run(['backup', file])).code, 0)
    const bytes = await readFile(file, 'latin1')
    for (const secret of [key, 'username', '$argon2', 'enrolment/']) t.notMatch(bytes, secret)

    const two = await startGateway(t, { yaml: yamlFor(app.url) })
    await two.run(['user', 'add', 'bob', '--password-stdin'], `${password}\n`)
    const without = await two.run(['restore', file, '--yes'])
    t.equal(without.code, 1)
    t.match(without.stderr, /was sealed with the key [\w-]{8}, which is not here\. Nothing was done/)
    t.match((await two.run(['user', 'list'])).stdout, 'bob')
    const keyFile = join(two.directory, 'theirs.key')
    await copyFile(join(one.directory, 'data.key'), keyFile)
    const restored = await two.run(['restore', file, '--yes', '--key', keyFile])
    t.equal(restored.code, 0, restored.stderr)
    await rm(keyFile)
    t.equal(await answerWith(t, two, 'ana', key), 303, 'sealed anew with the key of the second')
    t.match((await two.run(['doctor'])).stdout, /ok {4}keys: /)
  },
)

t.test('keys new makes a key for this user alone, and never takes the place of another', async (t) => {
  const cwd = t.testdir({})
  await mkdir(join(cwd, 'sub'))
  const run = async (...args: string[]) => {
    const child = spawn(process.execPath, [main, 'keys', 'new', ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part))
    const [code] = await once(child, 'close')
    return { code, text }
  }
  const printed = await run()
  t.match(MasterKey.read(printed.text), { keys: { length: 1 } })
  t.equal((await run('sub/a.key')).code, 0)
  t.equal((await stat(join(cwd, 'sub/a.key'))).mode & 0o777, 0o600)
  const before = await readFile(join(cwd, 'sub/a.key'), 'utf8')
  const again = await run('sub/a.key')
  t.equal(again.code, 1)
  t.match(again.text, 'already')
  t.equal(await readFile(join(cwd, 'sub/a.key'), 'utf8'), before)
  t.equal((await run('nowhere/a.key')).code, 1)
})
