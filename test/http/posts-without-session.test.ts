import t from 'tap'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { application } from '../support/front-door.js'
import { signIn, startHouse } from '../support/house.js'
import { formOf } from '../support/visitor.js'

const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://pay.example', accept: 'text/html' }
const form = 'application/x-www-form-urlencoded'

async function house(t: Tap) {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: http://localhost
sites:
  - upstream: "${app.url}"
    crossSitePosts: [/saml/*]
    rules: [{ path: /strict/**, access: second-factor }, { path: /saml/api, clients: api, access: signed-in }]
`,
  })
  await core.addUser('ana')
  return { ...core, app }
}
type Tap = Parameters<typeof application>[0]

t.test('whoever sends a form without a session gets a button that leads on, back to where the form was', async (t) => {
  const core = await house(t)
  const { origin } = new URL(core.url)
  const visitor = core.visitor()
  const referer = `${origin}/orders/new?customer=5`
  const answer = await visitor.post('/orders', { item: 'x' }, { headers: { referer } })
  t.equal(answer.status, 401)
  t.match(answer.text, 'href="/.gatelodge/sign-in?return=%2Forders%2Fnew%3Fcustomer%3D5"')
  t.notMatch(answer.text, 'item')
  for (const elsewhere of ['https://evil.test/', 'http://localhost.evil.test/x', '//evil', 'x', '']) {
    const led = await visitor.post('/orders', {}, { headers: { referer: elsewhere } })
    t.match(led.text, 'href="/.gatelodge/sign-in?return=%2Forders"', `not to ${elsewhere}`)
  }
  const old = { 'content-type': form, accept: 'text/html,*/*' }
  const before = await visitor.send('POST', '/orders', { headers: old, body: 'a=b' })
  t.match(before.headers['content-type'], /^text\/html/, 'a browser of before Fetch Metadata gets the page')
  const program = await visitor.send('POST', '/orders', {
    headers: { 'content-type': form, accept: '*/*' },
    body: 'a=b',
  })
  t.match(program.json(), { code: 'sign-in.required' })
  t.notOk('way' in (program.json() as object))

  await signIn(visitor, 'ana')
  const more = await visitor.post('/strict/x', {})
  t.match(
    more.text,
    /href="\/\.gatelodge\/enrol\?return=%2Fstrict%2Fx"[^>]*>Set it up</,
    'and so for what else is missing',
  )
  t.equal(core.app.requests.length, 0)
})

t.test('a form is sent once more only where all of it fits', async (t) => {
  const core = await house(t)
  const ana = core.visitor()
  await signIn(ana, 'ana')
  const stranger = core.visitor()
  const send = (path: string, body: string, headers = {}) =>
    stranger.send('POST', path, {
      headers: { 'sec-fetch-mode': 'navigate', 'content-type': form, ...foreign, ...headers },
      body,
    })
  const page = await send('/saml/acs?a=1', 'SAMLResponse=%3Cx%3E&RelayState=%22%3E%3Cscript%3E')
  t.equal(page.status, 200)
  t.same(formOf(page.text).fields, { SAMLResponse: '<x>', RelayState: '"><script>' }, 'what came is text on the page')
  t.equal(formOf(page.text).action, undefined, 'it goes to its own address and nowhere else')
  t.notMatch(page.text, '<script>')
  t.match(page.headers['content-security-policy'], "frame-ancestors 'none'")
  t.equal(page.headers['cache-control'], 'no-store')
  t.notOk(page.headers['set-cookie'])
  const withoutMetadata = await send('/saml/acs', 'a=b', { 'sec-fetch-mode': [], 'sec-fetch-site': [] })
  t.equal(withoutMetadata.status, 200, 'by Origin alone')

  const not = {
    'a path that is not listed': await send('/transfer', 'a=b'),
    'a path that may be another one': await send('/saml/acs%2f..', 'a=b'),
    'a page of its own origin, as the second time': await send('/saml/acs', 'a=b', { 'sec-fetch-site': 'same-origin' }),
    'its second time without Fetch Metadata': await send('/saml/acs', 'a=b', {
      'sec-fetch-site': [],
      'sec-fetch-mode': [],
      origin: 'null',
    }),
    'nobody knows from where': await send('/saml/acs', 'a=b', {
      'sec-fetch-site': [],
      'sec-fetch-mode': [],
      origin: [],
    }),
    'a script': await send('/saml/acs', 'a=b', { 'sec-fetch-mode': 'cors' }),
    'more than is read': await send('/saml/acs', `a=${'b'.repeat(200_000)}`),
    'more fields than are read': await send('/saml/acs', 'a=b&'.repeat(300)),
    'no text': await send('/saml/acs', 'a=b', { 'content-type': 'multipart/form-data; boundary=x' }),
    'another method': await stranger.send('PUT', '/saml/acs', {
      headers: { 'sec-fetch-mode': 'navigate', 'content-type': form, ...foreign },
      body: 'a=b',
    }),
    'a cookie of a session that is over': await send('/saml/acs', 'a=b', { cookie: `gatelodge=${'T'.repeat(43)}` }),
  }
  for (const [what, answer] of Object.entries(not)) {
    t.notOk(answer.text.includes('One moment'), what)
    t.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`)
  }
  const crowd = await Promise.all(Array.from({ length: 60 }, () => send('/saml/acs', 'a=b')))
  t.ok(crowd.every(({ status }) => status === 200 || status === 401))
  t.equal((await send('/saml/acs', 'a=b')).status, 200, 'the places are given back')
  t.equal(core.app.requests.length, 0, 'nothing of all this reached the application')
})

t.test('paths that no request of the site has are no paths of crossSitePosts', async (t) => {
  const directory = t.testdir({
    'gatelodge.yaml': `
sites:
  - { upstream: "http://127.0.0.1:1", path: /crm, crossSitePosts: [/saml/acs] }
  - { upstream: "http://127.0.0.1:1", crossSitePosts: [/.gatelodge/sign-in] }
`,
  })
  const checked = await checkConfig(`${directory}/gatelodge.yaml`, {})
  const messages = 'problems' in checked ? checked.problems.map(({ message }) => message) : []
  t.match(messages, [/outside of \/crm/, /gateway’s own pages$/])
})
