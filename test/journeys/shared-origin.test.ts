import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import t from 'tap'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { startGateway } from '../support/gateway.js'
import type { Scope } from '../support/scope.js'

const lie = `
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', (event) => {
  if (event.request.mode !== 'navigate') return
  event.respondWith(new Response('<title>Lie</title>', { headers: { 'content-type': 'text/html' } }))
})`

/** An application whose scripts want more than is theirs. */
async function application(t: Scope): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const isScript = url.endsWith('.js')
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html',
      ...(isScript ? { 'service-worker-allowed': '/' } : {}),
    })
    response.end(isScript ? lie : '<title>Application</title>')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const sites = (upstream: string, serviceWorkers: string) => `
sites:
  - upstream: ${upstream}
    serviceWorkers: ${serviceWorkers}
    rules: [{ path: /**, access: public }]
`

/** Registers a worker from the application's own page. @returns its scope, or why there is none */
function register(page: Page, script: string, scope: string): Promise<string> {
  return page.evaluate(
    `(async () => {
      const made = await navigator.serviceWorker.register(${JSON.stringify(script)}, { scope: ${JSON.stringify(scope)} })
      const worker = made.installing ?? made.waiting ?? made.active
      while (worker.state !== 'activated' && worker.state !== 'redundant') {
        await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }))
      }
      return made.scope
    })().catch((fault) => fault.name)`,
  )
}

const left = `navigator.serviceWorker.getRegistrations().then((all) => all.map(({ scope }) => new URL(scope).pathname))`

t.test(
  'a service worker of an application cannot replace the sign-in page',
  { skip: skipWithoutChromium(), timeout: 120_000 },
  async (t) => {
    const upstream = await application(t)
    const gateway = await startGateway(t, { yaml: sites(upstream, 'allow') })
    const { page } = await openWindow(await launchChromium(t))
    const signIn = `${gateway.url}/.gatelodge/sign-in`
    const titleOf = async (url: string) => {
      await page.goto(url)
      return page.title()
    }

    t.equal(await titleOf(`${gateway.url}/app/`), 'Application')
    t.match(await register(page, '/sw.js', '/'), /\/$/)
    t.equal(await titleOf(signIn), 'Lie', 'where the operator allows it, it can: the attack works')

    await gateway.stop()
    const yaml = await readFile(gateway.configFile, 'utf8')
    await writeFile(gateway.configFile, yaml.replace('serviceWorkers: allow', 'serviceWorkers: refuse'))
    await gateway.start()
    await page.goto(`${gateway.url}/app/`)
    await page.evaluate(
      `navigator.serviceWorker.getRegistrations().then((all) => Promise.all(all.map((one) => one.update())))`,
    )
    await page.waitForFunction(`${left}.then((scopes) => scopes.length === 0)`)
    t.match(await titleOf(signIn), /^Sign in/, 'one that was there goes with its next update')

    t.equal(await titleOf(`${gateway.url}/app/`), 'Application')
    await register(page, '/sw.js', '/')
    await page.waitForFunction(`${left}.then((scopes) => scopes.length === 0)`)
    t.equal(await register(page, '/app/sw.js', '/'), 'SecurityError', 'no application widens its scope')
    t.match(await register(page, '/app/sw.js', '/app/'), /\/app\/$/, 'its own part it may have')
    t.equal(await titleOf(`${gateway.url}/app/x`), 'Lie')
    t.match(await titleOf(signIn), /^Sign in/)
    t.same(await page.evaluate(left), ['/app/'])
  },
)

t.test('check says where an application shares its host with the pages of account and administration', async (t) => {
  const upstream = 'http://127.0.0.1:1'
  const gateway = await startGateway(t, { yaml: sites(upstream, 'refuse') })
  const said = async (yaml: string) => {
    await writeFile(
      gateway.configFile,
      `listen: 127.0.0.1:${gateway.port}\nstore: { use: embedded, path: ./data }\n${yaml}`,
    )
    return (await gateway.run(['check'])).stdout
  }
  t.match(
    await said(`publicUrl: https://crm.example.com${sites(upstream, 'allow')}`),
    /WARNING .*SERVICE WORKERS.*\nWARNING .*SHARED HOST/,
  )
  t.notMatch(await said(sites(upstream, 'refuse')), /WARNING/, 'on this machine alone it is nobody else\u2019s')
  const apart =
    'publicUrl: https://login.example.com\nsites: [{ host: crm.example.com, upstream: http://127.0.0.1:1 }]\n'
  t.notMatch(await said(apart), /SHARED HOST|SERVICE WORKERS/)
  const named = 'publicUrl: https://CRM.example.com\nsites: [{ host: crm.example.com, path: /x, upstream: none }]\n'
  t.match(await said(named), /WARNING .*SHARED HOST: the site of crm.example.com\/x /)
})
