import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { startDemoApplication } from '../../demo/application.js'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { ownTime } from '../support/own-time.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { formOf, Visitor } from '../support/visitor.js'

// Processes start here and a browser looks at every page three times, on machines that run other tests meanwhile.
t.setTimeout(600_000)

/** What Chromium writes on its console when a form comes back with a fault in it. */
const complaintAbout422 =
  'console: Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)'

const password = 'correct horse 7 battery'

/** The built gateway as a process, the sample application behind it, and a user for every journey. */
async function openHouse(t: Test, users: readonly string[]): Promise<RunningGateway> {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const gateway = await startGateway(t, {
    yaml: `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites:
  - upstream: ${application.url}
    identity: remote-user
    rules:
      - { path: /assets/**, access: public }
      - { path: /admin/**, access: second-factor }
secondFactor:
  methods:
    - { use: totp }
users: { use: local }
`,
  })
  for (const name of users) {
    const args = ['user', 'add', name, '--email', `${name}@example.com`, '--role', 'user', '--password-stdin']
    const added = await gateway.run(args, `${password}\n`)
    t.equal(added.code, 0, added.stderr)
  }
  return gateway
}

/** Types name and password into the sign-in page the path leads to. */
async function signIn(visitor: Visitor, path: string, username = 'ana', words = password) {
  const asked = await visitor.get(path)
  return visitor.fillIn(asked.location ?? path, { username, password: words }, '/sign-in')
}

/** Password, then the app is set up because the office asks for it. Gives back the key; the code before was used. */
async function enrolApp(visitor: Visitor, username: string): Promise<string> {
  await untilTwoCodesAreGood()
  let answer = await signIn(visitor, '/admin/', username)
  while (answer.location !== undefined) {
    answer = await visitor.get(answer.location)
    if (answer.text.includes('class="key"')) break
  }
  const key = keyOn(answer.text)
  const form = formOf(answer.text)
  await visitor.post(form.action ?? '', { ...form.fields, code: codeAt(key, Date.now() - 30_000) })
  return key
}

function keyOn(page: string): string {
  const shown = /<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(page)?.[1] ?? ''
  return shown.replace(/<[^>]*>|\s/g, '')
}

t.test(
  'somebody signs in, sets up an app, comes back with a code and uses the application',
  {
    skip: skipWithoutChromium(),
  },
  async (t) => {
    const gateway = await openHouse(t, ['ana'])
    const browser = await launchChromium(t)
    const { page, complaints } = await openWindow(browser)
    await untilTwoCodesAreGood()

    await page.goto(`${gateway.url}/drawer`)
    await look(t, page, 'sign-in')
    await page.fill('[name=username]', 'ana')
    await page.fill('[name=password]', 'not the password')
    await page.click('button.primary')
    t.match(await page.title(), /^Error:/)
    await look(t, page, 'sign-in-wrong')
    await page.fill('[name=password]', password)
    await page.click('button.primary')
    t.equal(new URL(page.url()).pathname, '/drawer', 'back where they wanted to go')
    t.match(await page.innerText('.who'), 'ana')

    await page.click('nav >> text=Office')
    await look(t, page, 'enrol')
    if ((await page.locator('code.key').count()) === 0) await page.click('main button')
    const key = (await page.innerText('code.key')).replace(/\s/g, '')
    await look(t, page, 'enrol-app')
    await page.fill('[name=code]', '000000')
    await page.click('button.primary')
    t.match(await page.title(), /^Error:/)
    await look(t, page, 'enrol-app-wrong')
    await page.fill('[name=code]', codeAt(key, Date.now() - 30_000))
    await page.click('button.primary')
    await page.waitForSelector('h1')
    if (!page.url().includes('/admin/')) await look(t, page, 'enrolled')
    await page.goto(`${gateway.url}/admin/`)
    t.equal(await page.innerText('h1'), 'The office')
    await look(t, page, 'office')

    await page.click('text=Sign out')
    await look(t, page, 'sign-out')
    await page.click('main button')
    await look(t, page, 'signed-out')
    await page.goto(`${gateway.url}/board`)
    t.match(page.url(), '/.gatelodge/sign-in')

    await page.fill('[name=username]', 'ana')
    await page.fill('[name=password]', password)
    await page.click('button.primary')
    await look(t, page, 'verify')
    await page.fill('[name=code]', '123 456')
    await page.click('button.primary')
    t.match(await page.title(), /^Error:/)
    await look(t, page, 'verify-wrong')
    const code = codeAt(key, Date.now())
    await page.fill('[name=code]', `${code.slice(0, 3)} ${code.slice(3)}`)
    await page.click('button.primary')
    t.equal(new URL(page.url()).pathname, '/board')

    await useTheBoard(t, page)
    await useTheWall(t, page, gateway)
    await useTheDrawer(t, page, gateway)
    await useTheLog(t, page, browser, gateway)
    const wrongAnswers = Array(3).fill(complaintAbout422)
    t.same(complaints, wrongAnswers, 'the browser complained about nothing but the three wrong answers')
  },
)

async function useTheBoard(t: Test, page: Page): Promise<void> {
  await page.waitForSelector('#state.open')
  await page.fill('[name=text]', 'The <b>kettle</b> is on')
  await page.click('text=Pin it')
  t.match(await page.innerText('#notices li'), /ana.*The <b>kettle<\/b> is on/s)
}

async function useTheWall(t: Test, page: Page, gateway: RunningGateway): Promise<void> {
  await page.goto(`${gateway.url}/`)
  await page.fill('[name=name]', 'Bench grinder')
  await page.fill('[name=shelf]', 'F2')
  await page.click('text=Hang it up')
  await page.click('text=Borrow Bench grinder')
  t.match(await page.innerText('.tag:has-text("Bench grinder")'), 'ana has it')
}

async function useTheDrawer(t: Test, page: Page, gateway: RunningGateway): Promise<void> {
  const bytes = randomBytes(2_000_000)
  await page.goto(`${gateway.url}/drawer`)
  await page.setInputFiles('[name=file]', { name: 'plan.bin', mimeType: 'application/octet-stream', buffer: bytes })
  await page.click('text=Put it in the drawer')
  t.match(await page.innerText('.sheets'), createHash('sha256').update(bytes).digest('hex'))
  const coming = page.waitForEvent('download')
  await page.click('text=plan.bin')
  t.ok((await readFile(await (await coming).path())).equals(bytes), 'the file came back byte for byte')
}

async function useTheLog(t: Test, page: Page, browser: Browser, gateway: RunningGateway): Promise<void> {
  await page.goto(`${gateway.url}/log`)
  await page.waitForSelector('#state.open')
  const other = await openWindow(browser, { storageState: await page.context().storageState() })
  await other.page.goto(`${gateway.url}/`)
  await other.page.click('text=Bring back Bench grinder')
  await page.waitForSelector('#lines >> text=brought back Bench grinder')
  t.match(await page.innerText('#clock'), /\d\d:\d\d:\d\d/)
  await other.context.close()
}

/** Every page is seen in light, dark and at phone width, and is fine for everybody in each. */
async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name} ${view}: axe`)
    t.equal(await isTooWide(page), false, `${name} ${view}: no scrolling sideways`)
  })
}

t.test('over plain sockets', async (t) => {
  const gateway = await openHouse(t, ['ana', 'cora', 'dora'])

  await t.test('without a session a page load is led to sign-in, and a program is told in its own words', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    const asked = await visitor.get('/tools/1?x=a%20b')
    t.match(asked, { status: 302, location: '/.gatelodge/sign-in?return=%2Ftools%2F1%3Fx%3Da%2520b' })
    t.match(await visitor.get('/assets/desk.css'), { status: 200, text: '--wall' })
    for (const headers of [{ accept: 'application/json' }, { accept: '*/*', 'sec-fetch-mode': 'cors' }]) {
      const told = await visitor.send('GET', '/api/items', { headers })
      t.equal(told.status, 401)
      t.match(told.headers, { 'content-type': /^application\/problem\+json/, 'www-authenticate': /./ })
      t.match(told.json(), { status: 401, code: 'sign-in.required', requestId: /./ })
    }
    t.match(await visitor.post('/tools', { name: 'x', shelf: 'y' }), { status: 401 })
    const upgrade = await rawExchange(
      t,
      gateway.port,
      `GET /echo HTTP/1.1\r\nHost: localhost:${gateway.port}\r\nOrigin: ${gateway.url}\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    t.match(upgrade.text, /^HTTP\/1\.1 401 /)
  })

  await t.test('a wrong password and an unknown name are told in the same words, and open nothing', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    const wrong = await signIn(visitor, '/', 'ana', 'not the password')
    const unknown = await signIn(new Visitor(t, gateway.url), '/', 'bob', 'not the password')
    const words = (page: string) =>
      /class="fault"[^>]*>([\s\S]*?)<\/p>/.exec(page)?.[1] ?? page.replace(/\S*(ana|bob)\S*/g, '')
    t.equal(wrong.status, unknown.status)
    t.equal(words(wrong.text), words(unknown.text))
    t.match(await visitor.get('/'), { status: 302 })
  })

  await t.test(
    'the password alone opens what asks for no more, and the way back is the page that was wanted',
    async (t) => {
      const visitor = new Visitor(t, gateway.url)
      t.match(await signIn(visitor, '/tools/3?from=mail'), { status: 303, location: '/tools/3?from=mail' })
      t.match(await visitor.get('/'), { status: 200, text: '<b>ana</b>' })
      t.match((await visitor.get('/admin/')).location, /^\/\.gatelodge\/(enrol|verify)/)
      t.match(await visitor.send('GET', '/admin/', { headers: { accept: 'application/json' } }), { status: 401 })
    },
  )

  await t.test('a return address on another site is not followed', async (t) => {
    for (const foreign of [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example',
      '/%0d%0aX: y',
      'javascript:1',
    ]) {
      const visitor = new Visitor(t, gateway.url)
      const answer = await signIn(visitor, `/.gatelodge/sign-in?return=${encodeURIComponent(foreign)}`)
      t.match(answer, { status: 303, location: '/' }, foreign)
    }
  })

  await t.test('a code opens one door once', async (t) => {
    const cora = new Visitor(t, gateway.url)
    const key = await enrolApp(cora, 'cora')
    t.match(await cora.get('/admin/'), { status: 200, text: 'The office' })

    const [first, second] = [new Visitor(t, gateway.url), new Visitor(t, gateway.url)]
    for (const visitor of [first, second]) {
      t.match((await signIn(visitor, '/', 'cora')).location, /^\/\.gatelodge\/verify/)
      t.match(await visitor.get('/'), { status: 302 }, 'half way in is not in')
    }
    const code = codeAt(key, Date.now())
    t.match(await first.fillIn('/.gatelodge/verify', { code }, '/verify'), { status: 303, location: '/' })
    const replayed = await second.fillIn('/.gatelodge/verify', { code }, '/verify')
    t.not(replayed.status, 303)
    t.match(await first.get('/admin/'), { status: 200 })
    t.match(await second.get('/'), { status: 302 })
  })

  await t.test('a deactivated user is out with the next request, and open sockets are cut', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    await signIn(visitor, '/', 'dora')
    t.match(await visitor.get('/'), { status: 200 })
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const socket = new WebSocket(`ws://localhost:${gateway.port}/echo`, { headers: { cookie, origin: gateway.url } })
    await once(socket, 'open')
    socket.send('hello')
    t.equal(String((await once(socket, 'message'))[0]), 'hello')
    const cut = once(socket, 'close')
    const outcome = await gateway.run(['user', 'deactivate', 'dora'])
    t.equal(outcome.code, 0, outcome.stderr)
    t.match(await visitor.get('/'), { status: 302 })
    const returned = ownTime(t)
    await cut
    // Two seconds are promised; the rest is for a machine that has other things to do.
    t.ok(returned() < 4_000, 'the socket was cut soon after')
    t.notMatch(await signIn(visitor, '/', 'dora'), { status: 303 }, 'the password is no good any more')
    await gateway.run(['user', 'activate', 'dora'])
    t.match(await signIn(visitor, '/', 'dora'), { status: 303 })
  })

  await t.test('signing out ends this session and no other', async (t) => {
    const [here, there] = [new Visitor(t, gateway.url), new Visitor(t, gateway.url)]
    for (const visitor of [here, there]) await signIn(visitor, '/')
    const stolen = new Map(here.cookies)
    t.match(await here.fillIn('/.gatelodge/sign-out', {}, '/sign-out'), { status: 303 })
    t.match(await here.get('/'), { status: 302 })
    for (const [name, value] of stolen) here.cookies.set(name, value)
    t.match(await here.get('/'), { status: 302 }, 'the old cookie opens nothing')
    t.match(await there.get('/'), { status: 200 })
  })

  await t.test('a file of any size passes through unchanged, and the gateway stays small', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    await signIn(visitor, '/')
    const bytes = randomBytes(8 * 2 ** 20)
    const sum = createHash('sha256')
    const big = new ReadableStream<Uint8Array>({
      start: () => {},
      pull(controller) {
        sum.update(bytes)
        controller.enqueue(bytes)
        if (++count === 32) controller.close()
      },
    })
    let count = 0
    const before = await memoryOf(gateway.pid())
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(`${gateway.url}/api/sum`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'text/plain' },
      body: big,
      duplex: 'half',
    })
    t.same(await answer.json(), { bytes: 32 * bytes.length, sha256: sum.digest('hex') })
    const grown = (await until('its memory', () => memoryOf(gateway.pid()))) - before
    t.comment(`256 MiB up: ${Math.round(grown / 2 ** 20)} MiB more`)
    t.ok(grown < 96 * 2 ** 20)
  })

  await t.test('a session outlives the process that opened it, stopped or killed', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    await signIn(visitor, '/')
    t.equal(await gateway.stop(), '0', gateway.logs())
    await gateway.start()
    t.match(await visitor.get('/'), { status: 200, text: '<b>ana</b>' })
    await gateway.kill()
    await gateway.start()
    t.match(await visitor.get('/'), { status: 200, text: '<b>ana</b>' })
    const other = new Visitor(t, gateway.url)
    await signIn(other, '/')
    await gateway.kill()
    await gateway.start()
    t.match(await other.get('/'), { status: 200 }, 'signed in just before the crash')
  })
})

/** Bytes the process holds in memory. */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024 + 1
}
