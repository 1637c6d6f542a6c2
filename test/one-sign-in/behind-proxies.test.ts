import type { AddressInfo } from 'node:net'
import t from 'tap'
import { application } from '../support/front-door.js'
import { startHouse } from '../support/house.js'
import { type ProxyName, severalHostsYaml, skipWithoutProxy, startForSeveralHosts } from '../support/other-proxies.js'
import { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'
import { signInAt } from './lodges.js'

t.setTimeout(180_000)

const portal = 'http://login.localhost'
const crm = 'http://crm.example.com'
const wiki = 'http://wiki.example.org'

for (const name of ['nginx', 'caddy', 'haproxy'] as const satisfies readonly ProxyName[]) {
  t.test(`one sign-in for two domains behind ${name}, which asks`, { skip: skipWithoutProxy(name) }, async (t) => {
    const [first, second] = [await application(t), await application(t)]
    const core = await startHouse(t, { yaml: severalHostsYaml() })
    await core.addUser('ana')
    const portOf = ({ server }: typeof first) => (server.address() as AddressInfo).port
    const behind = { gateway: core.port, application: portOf(first), second: portOf(second) }
    const port = await startForSeveralHosts(t, name, behind)
    const browser = new Roamer(t, port)

    const { answer: page, way } = await browser.follow(`${crm}/x?a=1&b=%2F`)
    t.match(page.text, 'go on to <strong>Customers</strong>')
    t.match(way.at(-1), `${portal}/.gatelodge/sign-in?return=`)
    t.ok(browser.at('crm.example.com').cookies.has('gatelodge-pending'), 'the nonce arrived in the browser')
    t.equal(first.requests.length, 0)

    const { next } = await signInAt(browser, `${crm}/x?a=1&b=%2F`)
    const arrived = await browser.follow(next)
    t.equal(arrived.answer.text, 'GET /x?a=1&b=%2F')
    t.equal(arrived.way.at(-1), `${crm}/x?a=1&b=%2F`)
    t.equal(first.requests.at(-1)?.headers['remote-user'], 'ana')
    t.notOk(first.requests.at(-1)?.headers.cookie, 'the application sees none of our cookies')

    const other = await browser.follow(`${wiki}/page%20two`)
    t.equal(other.answer.text, 'GET /page%20two')
    t.notMatch(other.way.join(' '), 'verify')
    t.equal(second.requests.at(-1)?.headers['remote-user'], 'ana')
    t.match((await browser.get(`${portal}/`)).text, `href="${wiki}/"`, 'the portal lists both')

    await browser.get(`${crm}/y`, { 'remote-user': 'olga' })
    t.equal(first.requests.at(-1)?.headers['remote-user'], 'ana', 'and nobody says who they are themselves')

    // A branch of one host is worth nothing at the other, nor at the portal; nor is the portal's own cookie at a site.
    const token = (host: string) => browser.at(host).cookies.get('gatelodge')
    const count = () => first.requests.length + second.requests.length
    const before = count()
    for (const [from, to] of [
      ['crm.example.com', 'wiki.example.org'],
      ['login.localhost', 'crm.example.com'],
    ] as const) {
      const thief = new Roamer(t, port)
      thief.at(to).cookies.set('gatelodge', token(from) ?? '')
      t.match((await thief.follow(`http://${to}/x`)).answer.text, 'name="password"', `${from} at ${to}`)
    }
    const { status } = await new Roamer(t, port).get(`${wiki}/x`, {
      accept: 'application/json',
      'sec-fetch-mode': 'cors',
    })
    t.equal(status, 401, 'programs see none of it')
    for (const host of [portal, crm, wiki]) {
      const asked = await browser.get(`${host}/.gatelodge/forward-auth`, {
        'x-forwarded-uri': '/x',
        'x-forwarded-method': 'GET',
      })
      t.equal(asked.headers['remote-user'], undefined, `${host}: the question is not asked from outside`)
      t.equal(asked.status, 404)
    }
    await browser.get('http://evil.test/x')
    t.equal(count(), before, 'none of that arrived')

    const leaving = await browser.follow(`${wiki}/.gatelodge/sign-out`)
    t.equal(leaving.way.at(-1), `${portal}/.gatelodge/sign-out`)
    await browser.post(`${portal}/.gatelodge/sign-out`, formOf(leaving.answer.text, '/sign-out').fields)
    for (const address of [`${crm}/x`, `${wiki}/x`, `${portal}/`]) {
      t.match((await browser.follow(address)).answer.text, 'name="password"', `${address} asks again`)
    }
  })
}
