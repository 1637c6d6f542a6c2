import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { LookupFunction } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { openExplainer } from '../../src/app.js'
import { examinePortal } from '../../src/cli/doctor/portal.js'
import { warningsAbout } from '../../src/config/warnings.js'
import { explainLines } from '../../src/http/gate/explain-lines.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { startHouse } from '../support/house.js'
import { ownAuthority, skipWithoutAuthority } from '../support/own-authority.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { addWithApp, arriveAt, crm, lodges } from './lodges.js'

t.setTimeout(120_000)

async function checked(t: Parameters<typeof temporaryDirectory>[0], yaml: string) {
  const file = join(await temporaryDirectory(t), 'gatelodge.yaml')
  await writeFile(file, yaml)
  return checkConfig(file, {})
}

t.test('check finds a sign-out that no request of the site is, and hosts that nobody gets to', async (t) => {
  const problems = async (signOut: string) => {
    const found = await checked(t, `sites: [{ path: /crm, upstream: "http://127.0.0.1:1", signOut: [${signOut}] }]`)
    return 'problems' in found ? found.problems.map(({ message }) => message).join() : ''
  }
  t.match(await problems('/logout'), /lies outside of \/crm/)
  t.match(await problems('/.gatelodge/sign-out'), /under \/\.gatelodge are the gateway’s own pages/)
  t.equal(await problems('/crm/logout, /**/logout'), '')

  const warnings = async (publicUrl: string, ...hosts: string[]) => {
    const sites = hosts.map((host) => `{ host: "${host}", upstream: "http://127.0.0.1:1" }`)
    const found = await checked(t, `publicUrl: ${publicUrl}\ntrustedProxies: [127.0.0.1]\nsites: [${sites}]`)
    return 'config' in found ? warningsAbout(found.config).join('\n') : JSON.stringify(found)
  }
  t.match(await warnings('http://localhost:8080', 'crm.example.com'), /PORTAL OUT OF REACH: people at crm.example.com/)
  t.match(await warnings('https://login.example.com', 'crm.localhost'), /NO WAY BACK: .* crm.localhost/)
  t.match(await warnings('https://login.example.com', '192.0.2.1'), /NO CERTIFICATE: .*https:\/\/192.0.2.1/)
  t.equal(await warnings('https://login.example.com', 'crm.example.com', 'wiki.example.org'), '')
  t.equal(await warnings('http://login.localhost:8080', 'crm.localhost'), '')
})

t.test('doctor asks every host as a browser would: one without TLS beside one with it is found', async (t) => {
  // A port of 127.0.0.2 that speaks no TLS, which no name leads to but its own address.
  const plain = createServer((_, response) => response.end())
  await new Promise<void>((resolve) => plain.listen(0, '0.0.0.0', resolve))
  t.teardown(() => plain.close())
  const { port } = plain.address() as { port: number }
  const yaml = `publicUrl: https://0.0.0.0:${port}\nsites: [{ host: nowhere.invalid, upstream: "http://127.0.0.1:1" }]`
  const found = await checked(t, yaml)
  if (!('config' in found)) throw new Error(JSON.stringify(found))
  const findings = await examinePortal(found.config)
  t.match(findings[0], { status: 'warn', what: 'host 0.0.0.0', says: /does not speak TLS, and the portal does/ })
  t.match(findings[1], { status: 'warn', what: 'host nowhere.invalid', says: /a name that is not known here/ })
})

t.test(
  'doctor sets out as a browser does, and finds who brings nobody back',
  { skip: skipWithoutAuthority() },
  async (t) => {
    const names = [
      'login.one.test',
      'good.one.test',
      'spa.one.test',
      'rewritten.one.test',
      'bare.one.test',
      'wide.one.test',
    ]
    const { key, cert, ca } = await ownAuthority(t, names)
    const target = { port: 0 }
    // What has the certificate, as people set it up: right for some hosts, and wrong in its own way for each of the others.
    const front = createSecureServer({ key, cert }, (asked, response) => {
      const name = (asked.headers.host ?? '').split(':')[0] ?? ''
      if (name === 'spa.one.test') {
        response.end('<!doctype html>The application, whatever is asked')
        return
      }
      const host = name === 'rewritten.one.test' ? `login.one.test:${port}` : asked.headers.host
      const onward = request({ port: target.port, path: asked.url, headers: { ...asked.headers, host } }, (answer) => {
        const cookies = answer.headers['set-cookie'] ?? []
        if (name === 'bare.one.test') delete answer.headers['set-cookie']
        if (name === 'wide.one.test') answer.headers['set-cookie'] = cookies.map((line) => `${line}; Domain=one.test`)
        response.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(response)
      })
      onward.end()
    })
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      front.closeAllConnections()
      front.close()
    })
    const { port } = front.address() as { port: number }
    const core = await startHouse(t, {
      yaml: `
listen: 127.0.0.1:0
publicUrl: https://login.one.test:${port}
sites:
${names
  .slice(1)
  .map((host) => `  - { host: ${host}, upstream: "http://127.0.0.1:1" }`)
  .join('\n')}
`,
    })
    target.port = core.port
    const checkedFile = await checkConfig(core.configFile, {})
    if ('problems' in checkedFile) throw new Error(JSON.stringify(checkedFile.problems))
    const lookup: LookupFunction = (_host, options, found) => {
      if (options.all) found(null, [{ address: '127.0.0.1', family: 4 }])
      else found(null, '127.0.0.1', 4)
    }
    const findings = await examinePortal(checkedFile.config, { ca, lookup })
    const about = (name: string) => findings.find(({ what }) => what === `host ${name}`)
    for (const name of ['login.one.test', 'good.one.test']) t.match(about(name), { status: 'ok' }, name)
    t.match(about('spa.one.test'), { status: 'warn', says: /it is not the gateway that does/ })
    t.match(about('rewritten.one.test'), { status: 'warn', says: /answers with 200, and not to the portal/ })
    t.match(about('bare.one.test'), { status: 'warn', says: /hands on no cookie of the gateway/ })
    t.match(about('wide.one.test'), { status: 'warn', says: /browsers would refuse: it has Domain=one\.test/ })
    t.match((await examinePortal(checkedFile.config, { lookup }))[0], { says: /certificate that is not accepted here/ })
  },
)

t.test('explain shows the way through the portal for a request without a session', async (t) => {
  const { core } = await lodges(t)
  const explainer = openExplainer(core)
  const ask = (host: string, method = 'GET') =>
    explainLines(explainer, { method, host, target: '/x?a=1', address: '127.0.0.1' }, Date.now())
  t.same(
    (await ask('crm.localhost')).filter((line) => line.startsWith('way: ')),
    [
      'way: 302 to http://login.localhost/.gatelodge/sign-in?return=http%3A%2F%2Fcrm.localhost%2Fx%3Fa%3D1, with a nonce of this browser as a cookie of crm.localhost',
      'way: at login.localhost whatever is missing is asked for; whoever is signed in there, and well enough, sees no page',
      'way: 302 to http://crm.localhost/.gatelodge/arrive with a ticket that is good once, for 30 s, for this browser',
      'way: 303 to /x?a=1, with a cookie of crm.localhost alone',
    ],
  )
  t.notMatch((await ask('crm.localhost', 'POST')).join('\n'), /way: /)
})

t.test(
  'explain says of every host what the gate does there, and leads to the page that the gate leads to',
  async (t) => {
    const rules = '[{ path: "/vault/**", access: second-factor }, { path: "/**", access: password }]'
    const house = await lodges(t, { rules })
    await addWithApp(house, 'ana')
    const { identity, directory } = house.core
    const [user] = await directory.find({ username: 'ana' })
    const account = user && (await identity.accounts.find(user.id))
    if (user === undefined || account === undefined) throw new Error('nobody is there')
    const explainer = openExplainer(house.core)
    const at = Date.now()
    const ask = (host: string, target: string) => {
      const who = { user, account, session: { passwordAt: at } }
      return explainer.explain({ method: 'GET', host, target, address: '127.0.0.1', at, who })
    }
    const browser = house.browser()
    await arriveAt(browser, `${crm}/x`)
    const led = await browser.get(`${crm}/vault/a`)
    const vault = await ask('crm.localhost', '/vault/a')
    const { origin, pathname } = new URL(led.headers['location'] as string)
    t.equal(pathname, '/.gatelodge/verify')
    t.match('way' in vault && vault.way[0], `302 to ${origin}${pathname}?return=`)
    t.match(await ask('crm.localhost', '/x'), { way: [] }, 'whoever may pass is led nowhere')

    t.match(await ask('login.localhost', '/'), { kind: 'own' }, 'the start of the portal')
    t.match(await ask('login.localhost', '/other'), { kind: 'refused', error: 'site.unknown' })
    t.equal((await browser.get('http://evil.test/.gatelodge/sign-in')).status, 404)
    const foreign = await ask('evil.test', '/.gatelodge/sign-in')
    t.match(foreign, { kind: 'refused', error: 'site.unknown' }, 'a host that is none of ours')
  },
)
