import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { noteOf } from '../../demo/notes.js'
import { type DemoStart, runDemo } from '../../demo/run.js'
import { freePort } from '../support/free-port.js'

const directories = () => readdirSync(tmpdir()).filter((name) => name.startsWith('gatelodge-demo-'))

t.test('the demonstration says what it is, how to get in, and forgets everything', async (t) => {
  const before = directories()
  let written = ''
  let start: DemoStart | undefined
  const added: string[] = []
  let isClosed = false
  const port = await freePort()
  const demo = await runDemo({
    port,
    terminal: { write: (text) => (written += text) },
    startGateway: async (given) => {
      start = given
      return {
        addUser: async ({ username, role }) => void added.push(`${username} ${role}`),
        close: async () => {
          isClosed = true
        },
      }
    },
  })
  if (!demo || !start) throw new Error('it did not start')
  t.match(written, 'THIS IS A DEMONSTRATION')
  t.match(written, `http://localhost:${port}`)
  t.same(added, ['olivia owner', 'ben user'])
  for (const { password } of demo.users) t.match(written, password)
  const application = start.environment['GATELODGE_DEMO_APPLICATION'] ?? ''
  t.equal((await fetch(application)).status, 200)
  start.log.write(
    '{"time":"2026-01-01T10:11:12.000Z","audit":{"event":"session.opened","username":"ben"},"msg":"session.opened"}\n',
  )
  t.match(written, /10:11:12 {2}sign-in {2}ben is signed in\n$/)
  const outbox = `${start.environment['GATELODGE_DEMO_OUTBOX']}/outbox`
  start.log.write(
    '{"time":"2026-01-01T10:11:12.000Z","to":"b@example.com","subject":"<b>","text":"Go to\\nhttp://h/x?a=1"}\n',
  )
  const page = await (await fetch(outbox)).text()
  t.match(page, '&lt;b&gt;')
  t.match(page, '<a href="http://h/x?a=1">')
  await demo.close()
  t.ok(isClosed)
  await t.rejects(fetch(application))
  t.same(directories(), before)
})

t.test('a taken port is told apart, with what to do', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let written = ''
  const demo = await runDemo({
    port,
    terminal: { write: (text) => (written += text) },
    startGateway: async () => t.fail('it must not start') as never,
  })
  t.equal(demo, undefined)
  t.match(written, `PORT=${port + 1} npm start`)
})

t.test('a gateway that does not start leaves nothing behind', async (t) => {
  const before = directories()
  const startGateway = async () => {
    throw new Error('no store')
  }
  await t.rejects(runDemo({ port: await freePort(), startGateway, terminal: { write: () => true } }), /no store/)
  t.same(directories(), before)
})

t.test('a note tells what happened and never what a stranger wants the terminal to do', async (t) => {
  t.equal(noteOf('not json'), undefined)
  t.equal(noteOf('{"level":"info","msg":"ready"}'), undefined)
  t.match(noteOf('{"audit":{"event":"session.ended","username":"\\u001b[2Jben"}}'), '?[2Jben is signed out')
  t.equal(noteOf('{"audit":{"event":"constructor"}}'), undefined)
  t.match(
    noteOf('{"time":"2026-01-01T10:11:12Z","to":"a@b.c","subject":"Code","text":"12 34\\nNever share it\\n"}'),
    '12 34',
  )
  t.match(noteOf('{"level":"warn","msg":"slow"}'), 'slow')
})
