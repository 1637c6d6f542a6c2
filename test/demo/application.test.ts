import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { type DemoApplication, startDemoApplication } from '../../demo/application.js'
import { startOutbox } from '../../demo/outbox.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { RawSocket, rawExchange } from '../support/raw-socket.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { Visitor } from '../support/visitor.js'

async function start(t: Test): Promise<{ application: DemoApplication; visitor: Visitor }> {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  return { application, visitor: new Visitor(t, application.url) }
}

t.test('the wall shows the tools, and a form hangs up another, changes it and lends it', async (t) => {
  const { visitor } = await start(t)
  const headers = { 'remote-user': 'ana' }
  t.match((await visitor.get('/')).text, 'Cordless drill')
  const added = await visitor.post('/tools', { name: 'Bench <vice>', shelf: 'D1', note: '"heavy" & old' }, { headers })
  t.match(added, { status: 303, location: '/' })
  const wall = (await visitor.get('/')).text
  t.match(wall, 'Bench &lt;vice&gt;')
  t.notMatch(wall, '<vice>')
  const path = /href="(\/tools\/\d+)">Bench/.exec(wall)?.[1] ?? ''
  t.match((await visitor.get(path)).text, 'value="&quot;heavy&quot; &amp; old"')
  await visitor.post(path, { name: 'Bench vice', shelf: 'D2', note: '' }, { headers })
  await visitor.post(`${path}/hand-over`, {}, { headers })
  const items = (await visitor.send('GET', '/api/items')).json() as { items: Array<Record<string, unknown>> }
  t.match(items.items.at(-1), { name: 'Bench vice', shelf: 'D2', lentTo: 'ana' })
  t.match(await visitor.post('/tools', { name: '', shelf: '' }), { status: 400 })
  t.match(await visitor.get('/tools/999999'), { status: 404 })
  t.match(await visitor.send('DELETE', '/tools'), { status: 405 })
})

t.test('names come from the header and are shown as text', async (t) => {
  const { visitor } = await start(t)
  const headers = { 'remote-user': '<i>ana</i>', 'remote-groups': 'staff,tools', 'remote-email': 'ana@example.com' }
  const office = (await visitor.get('/admin/', { headers })).text
  t.match(office, '<b>&lt;i&gt;ana&lt;/i&gt;</b>')
  t.match(office, 'groups: staff, tools')
  const utf8 = Buffer.from('Žofia').toString('latin1')
  t.match((await visitor.get('/', { headers: { 'remote-user': utf8 } })).text, '<b>Žofia</b>')
  t.match((await visitor.get('/')).text, 'Nobody is signed in')
})

t.test('an uploaded file comes back byte for byte, with its size and sum', async (t) => {
  const { application, visitor } = await start(t)
  const bytes = Buffer.concat([Buffer.from('\r\n--x\r\n\0\xff', 'latin1'), randomBytes(3_000_001)])
  const form = new FormData()
  form.set('file', new File([bytes], 'Größe "7".bin'))
  const filed = await fetch(`${application.url}/drawer`, { method: 'POST', body: form, redirect: 'manual' })
  t.equal(filed.status, 303)
  const drawer = (await visitor.get('/drawer')).text
  t.match(drawer, 'Größe &quot;7&quot;.bin')
  t.match(drawer, `data-bytes="${bytes.length}"`)
  t.match(drawer, createHash('sha256').update(bytes).digest('hex'))
  const back = await visitor.get(/href="(\/drawer\/\d+)"/.exec(drawer)?.[1] ?? '')
  t.ok(back.bytes.equals(bytes))
  t.match(back.headers['content-disposition'], /^attachment/)
  t.match(await visitor.send('POST', '/api/sum', { body: bytes }), {
    text: createHash('sha256').update(bytes).digest('hex'),
  })
  const broken = { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--y\r\nnonsense' }
  t.match(await visitor.send('POST', '/drawer', broken), { status: 400 })
})

t.test('the drawer takes no more than it can hold', async (t) => {
  const { application } = await start(t)
  const socket = await RawSocket.open(t, application.port)
  socket.write('POST /drawer HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n')
  socket.write(`Content-Length: ${2 ** 31}\r\n\r\n`)
  socket.write(Buffer.alloc(34 * 2 ** 20))
  t.match(await socket.untilReceived('\r\n\r\n'), /^HTTP\/1\.1 413 [\s\S]*connection: close/i)
})

t.test('programs read and add tools as JSON', async (t) => {
  const { visitor } = await start(t)
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({ name: 'Spirit level', shelf: 'E1' })
  t.match(await visitor.send('POST', '/api/items', { headers: json, body }), { status: 201, text: 'Spirit level' })
  t.match((await visitor.send('GET', '/api/items')).text, 'Spirit level')
  t.match(await visitor.send('POST', '/api/items', { headers: json, body: '{' }), { status: 400, text: '"error"' })
  t.match(await visitor.send('POST', '/api/items', { headers: json, body: 'null' }), { status: 400 })
  t.match(await visitor.send('POST', '/api/items', { headers: json, body: '1'.repeat(20_000) }), { status: 413 })
  t.match(await visitor.send('POST', '/api/items', { body }), { status: 415 })
})

t.test('the wall is full at some time', async (t) => {
  const { visitor } = await start(t)
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => visitor.post('/tools', { name: `Rake ${index}`, shelf: 'Z' })),
  )
  t.equal(answers.filter(({ status }) => status === 409).length, 6)
})

t.test('a socket says back what it is told, whole or in pieces, and closes in order', async (t) => {
  const { application } = await start(t)
  const socket = new WebSocket(`ws://127.0.0.1:${application.port}/echo`)
  await once(socket, 'open')
  for (const text of ['hello', '', 'größer ☺', 'x'.repeat(16_000)]) {
    socket.send(text)
    const [data, isBinary] = await once(socket, 'message')
    t.equal(String(data), text)
    t.equal(isBinary, false)
  }
  socket.send('in ', { fin: false })
  socket.ping('still there?')
  t.match(String((await once(socket, 'pong'))[0]), 'still there?')
  socket.send('pieces')
  t.equal(String((await once(socket, 'message'))[0]), 'in pieces')
  socket.close(1000)
  t.equal((await once(socket, 'close'))[0], 1000)
})

t.test('a notice reaches everybody at the board, and the board remembers it', async (t) => {
  const { application, visitor } = await start(t)
  const url = `ws://127.0.0.1:${application.port}/board/socket`
  const [ana, ben] = [new WebSocket(url, { headers: { 'remote-user': 'ana' } }), new WebSocket(url)]
  await Promise.all([once(ana, 'open'), once(ben, 'open')])
  const heard = once(ben, 'message')
  ana.send('Tea is <b>ready</b>')
  t.match(JSON.parse(String((await heard)[0])), { who: 'ana', text: 'Tea is <b>ready</b>' })
  t.match((await visitor.get('/board')).text, 'Tea is &lt;b&gt;ready&lt;/b&gt;')
  t.match(await visitor.post('/board', { text: 'Without a script' }), { status: 303 })
  const left = once(ana, 'close')
  ana.close()
  ben.terminate()
  await left
})

t.test('garbage on a socket is refused with the right code and hurts nobody else', async (t) => {
  const { application, visitor } = await start(t)
  const cases: ReadonlyArray<readonly [string, number[], number]> = [
    ['no mask', [0x81, 0x01, 0x61], 1002],
    ['reserved bits', [0xf1, 0x80, 0, 0, 0, 0], 1002],
    ['unknown opcode', [0x83, 0x80, 0, 0, 0, 0], 1002],
    ['continuation of nothing', [0x80, 0x80, 0, 0, 0, 0], 1002],
    ['a second start', [0x01, 0x80, 0, 0, 0, 0, 0x01, 0x80, 0, 0, 0, 0], 1002],
    ['a ping in pieces', [0x09, 0x80, 0, 0, 0, 0], 1002],
    ['binary', [0x82, 0x80, 0, 0, 0, 0], 1003],
    ['no UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
    ['eight exabytes', [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009],
    ['too long', [0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0], 1009],
  ]
  const handshake =
    'GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  for (const [name, bytes, code] of cases) {
    const socket = await RawSocket.open(t, application.port)
    socket.write(Buffer.concat([Buffer.from(handshake), Buffer.from(bytes)]))
    await socket.untilClosed()
    const frame = socket.bytes().subarray(socket.text().indexOf('\r\n\r\n') + 4)
    t.match(socket.text(), /^HTTP\/1\.1 101 [\s\S]*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/, name)
    t.same([...frame], [0x88, 2, code >> 8, code & 0xff], name)
    socket.reset()
  }
  const noise = await RawSocket.open(t, application.port)
  noise.write(handshake)
  noise.write(randomBytes(100_000))
  noise.reset()
  t.match(await rawExchange(t, application.port, handshake.replace('dGhl', '!')), { text: /^HTTP\/1\.1 400 / })
  t.match(await rawExchange(t, application.port, handshake.replace('/echo', '/x')), { text: /^HTTP\/1\.1 404 / })
  t.match(await visitor.get('/'), { status: 200 })
})

t.test('the log is told line by line, with the clock', async (t) => {
  const { application, visitor } = await start(t)
  const socket = await RawSocket.open(t, application.port)
  socket.write('GET /log/events HTTP/1.1\r\nHost: x\r\n\r\n')
  t.match(await socket.untilReceived(/event: clock\ndata: \d\d:\d\d:\d\d\n\n/), 'text/event-stream')
  await visitor.post('/tools/1/hand-over', {}, { headers: { 'remote-user': 'ana' } })
  await socket.untilReceived('"who":"ana","text":"borrowed Cordless drill"')
  t.match((await visitor.get('/log')).text, 'borrowed Cordless drill')
})

t.test('close ends open sockets and streams', async (t) => {
  const application = await startDemoApplication()
  const socket = new WebSocket(`ws://127.0.0.1:${application.port}/echo`)
  await once(socket, 'open')
  const stream = await RawSocket.open(t, application.port)
  stream.write('GET /log/events HTTP/1.1\r\nHost: x\r\n\r\n')
  await stream.untilReceived('event: clock')
  const closed = once(socket, 'close')
  await application.close()
  await Promise.all([closed, stream.untilClosed()])
})

t.test('every page fits a phone and passes axe in light and dark', { skip: skipWithoutChromium() }, async (t) => {
  const { application, visitor } = await start(t)
  const headers = { 'remote-user': 'marta.lindqvist', 'remote-groups': 'staff', 'remote-email': 'marta@example.com' }
  await visitor.post('/board', { text: 'The tile cutter needs two people, ask before you lift it' }, { headers })
  await visitor.post('/tools/1/hand-over', {}, { headers })
  const form = new FormData()
  form.set('file', new File(['Read me first'], 'drill-press-manual.pdf'))
  await fetch(`${application.url}/drawer`, { method: 'POST', body: form, headers })
  const { page, complaints } = await openWindow(await launchChromium(t), { extraHTTPHeaders: headers })
  for (const path of ['/', '/tools/3', '/drawer', '/board', '/log', '/admin/', '/nowhere']) {
    await page.goto(`${application.url}${path}`)
    await inEveryView(page, `sample-${path.replace(/\W/g, '') || 'tools'}`, async (view) => {
      t.same(await axeViolations(page), [], `${path} ${view}`)
      t.equal(await isTooWide(page), false, `${path} ${view}`)
    })
  }
  t.same(complaints, ['console: Failed to load resource: the server responded with a status of 404 (Not Found)'])
})

t.test('the outbox fits a phone, whatever was sent', { skip: skipWithoutChromium() }, async (t) => {
  const { application } = await start(t)
  const outbox = await startOutbox()
  t.teardown(() => outbox.close())
  const link = `http://localhost:8080/.gatelodge/link?token=${'abcdefghij'.repeat(12)}`
  outbox.keep({ at: '21:40:05', to: `${'a'.repeat(64)}@example.com`, subject: 'Sign in', text: `Open it:\n${link}\n` })
  outbox.keep({ at: '21:40:06', to: '+12025550143', text: '123456 is your code' })
  const { page } = await openWindow(await launchChromium(t))
  // The gateway has both under one address.
  await page.route('**/assets/*', (route) =>
    route.continue({ url: `${application.url}${new URL(route.request().url()).pathname}` }),
  )
  await page.goto(`${outbox.url}/outbox`)
  await inEveryView(page, 'outbox', async (view) => {
    t.same(await axeViolations(page), [], view)
    t.equal(await isTooWide(page), false, view)
  })
})
