import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { codeAt } from '../support/authenticator-app.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { housePassword, startHouse } from '../support/house.js'
import { ownAuthority, skipWithoutAuthority } from '../support/own-authority.js'

t.setTimeout(180_000)

/** Three hosts under two domains that have nothing to do with each other, and the portal. */
const portal = 'login.one.test'
const hosts = ['crm.one.test', 'wiki.one.test', 'shop.other.example'] as const
const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

/** Pages, an event stream that sends once and stays open, and a WebSocket. */
async function startApplication(t: Test): Promise<string> {
  const server = createServer(({ url, headers }, response) => {
    if (url === '/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: here\n\n')
      return
    }
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end(`<!doctype html><title>app</title><p id="who">${headers.host} has ${headers['remote-user']}</p>`)
  })
  const sockets = new WebSocketServer({ server, path: '/ws' })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What has the certificate: bytes go on to the gateway as they are. */
async function startTls(
  t: Test,
  certificate: { key: Buffer; cert: Buffer },
  target: { port: number },
): Promise<number> {
  const server = createTlsServer(certificate, (socket) => {
    const onward = connect(target.port, '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** Opens both in the page; resolves when they stand, and `ended` in the page when both are cut. */
const hold = `(async () => {
  const stream = new EventSource('/stream')
  const socket = new WebSocket('wss://' + location.host + '/ws')
  const opened = [stream, socket].map((each) => new Promise((resolve) => each.addEventListener('open', resolve)))
  await Promise.all(opened)
  const streamEnds = new Promise((resolve) => { stream.onerror = () => { stream.close(); resolve(Date.now()) } })
  const socketEnds = new Promise((resolve) => { socket.onclose = () => resolve(Date.now()) })
  window.ended = Promise.all([streamEnds, socketEnds])
})()`

t.test(
  'one password and one code open three hosts under two domains, and signing out at the second ends all of them',
  { skip: skipWithoutChromium() || skipWithoutAuthority() },
  async (t) => {
    const upstream = await startApplication(t)
    const authority = await ownAuthority(t, [portal, ...hosts])
    const target = { port: 0 }
    const port = await startTls(t, authority, target)
    const core = await startHouse(t, {
      yaml: `
listen: 127.0.0.1:0
publicUrl: https://${portal}:${port}
sites:
${hosts.map((host) => `  - { host: ${host}, upstream: "${upstream}", rules: [{ path: "/**", access: second-factor }] }`).join('\n')}
`,
    })
    target.port = core.port
    const { accounts, enrolments } = core.core.identity
    const account = await accounts.find(await core.addUser('ana'))
    if (account === undefined) throw new Error('there is no account')
    await enrolments.activate(account, { method: 'totp', name: 'App', enrolment: { secret, lastStep: -1 } })

    const args = ['--host-resolver-rules=MAP * 127.0.0.1']
    const browser = await launchChromium(t, { args, home: authority.home })
    const { context, page } = await openWindow(browser)
    const forms: string[] = []
    context.on('request', (request) => {
      if (request.method() === 'POST') forms.push(new URL(request.url()).pathname)
    })
    const address = (host: string, path = '/') => `https://${host}:${port}${path}`

    await page.goto(address(hosts[0], '/start?a=1'))
    t.equal(new URL(page.url()).hostname, portal)
    await page.fill('#username', 'ana')
    await page.fill('#password', housePassword)
    await page.keyboard.press('Enter')
    await page.fill('#code', codeAt(secret, Date.now()))
    await page.keyboard.press('Enter')
    await page.waitForURL(address(hosts[0], '/start?a=1'))
    const others = await Promise.all([context.newPage(), context.newPage()])
    const pages: readonly Page[] = [page, ...others]
    for (const [index, host] of hosts.entries()) {
      const each = pages[index] as Page
      if (index > 0) await each.goto(address(host))
      t.equal(new URL(each.url()).hostname, host)
      t.match(await each.textContent('#who'), /has ana$/)
    }
    t.same(forms, ['/.gatelodge/sign-in', '/.gatelodge/verify'], 'one password, one code')
    for (const cookie of await context.cookies()) {
      t.match(cookie.name, /^__Host-/)
      t.ok(cookie.secure)
    }

    for (const each of pages) await each.evaluate(hold)
    const leaving = await context.newPage()
    await leaving.goto(address(hosts[1], '/.gatelodge/sign-out'))
    t.equal(new URL(leaving.url()).hostname, portal, 'signing out happens at the portal')
    const pressed = Date.now()
    await leaving.click('button.primary')
    for (const [index, each] of pages.entries()) {
      const ends = await each.evaluate<number[]>('window.ended')
      const waits = ends.map((at) => at - pressed)
      t.ok(
        waits.every((ms) => ms >= 0 && ms < 2_000),
        `${hosts[index]}: stream and socket ended after ${waits.join(' and ')} ms`,
      )
    }
    for (const [index, host] of hosts.entries()) {
      const each = pages[index] as Page
      await each.goto(address(host))
      t.equal(new URL(each.url()).hostname, portal, `${host} asks again`)
      t.equal(await each.locator('#password').count(), 1)
    }
  },
)
