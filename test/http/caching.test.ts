import t from 'tap'
import { application } from '../support/front-door.js'
import { signIn, startHouse } from '../support/house.js'

t.test('what is for somebody who is signed in is kept by nobody who may not', async (t) => {
  const app = await application(t, ({ url = '' }, response) => {
    const said = new URL(url, 'http://x').searchParams
    for (const [name, value] of said) response.setHeader(name, value)
    response.end('page')
  })
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: http://localhost
sites:
  - { upstream: "${app.url}", rules: [{ path: /open, access: public }], signOut: [/logout] }
  - { upstream: "${app.url}", path: /strict, cache: no-store }
  - { upstream: "${app.url}", path: /raw, cache: as-is }
`,
  })
  await core.addUser('ana')
  const visitor = core.visitor()
  await signIn(visitor, 'ana')
  const about = async (path: string) => {
    const { headers } = await visitor.get(path)
    return [headers['cache-control'], headers['expires'], headers['pragma']]
  }
  const [nothing] = [undefined]
  t.same(await about('/page'), ['private', nothing, nothing])
  t.same(await about('/page?cache-control=max-age=5'), ['max-age=5', nothing, nothing], 'the application has the say')
  t.same(await about('/page?Expires=Thu'), [nothing, 'Thu', nothing])
  t.same(await about('/page?pragma=no-cache'), [nothing, nothing, 'no-cache'])
  t.same(await about('/strict?cache-control=public&expires=Thu&pragma=x'), ['no-store', nothing, nothing])
  t.same(await about('/raw'), [nothing, nothing, nothing])
  t.same(await about('/open'), [nothing, nothing, nothing], 'where nobody is asked who they are')

  const left = await visitor.get('/logout?clear-site-data="storage"')
  t.same(left.headers['clear-site-data'], ['"storage"', '"cache"'])
  const again = core.visitor()
  await signIn(again, 'ana')
  const out = await again.fillIn('/.gatelodge/sign-out', {}, '/sign-out')
  t.equal(out.headers['clear-site-data'], '"cache"')
})

t.test('what browsers fetch by themselves never decides where a person lands', async (t) => {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: http://localhost
sites: [{ upstream: "${app.url}" }]
`,
  })
  await core.addUser('ana')
  const visitor = core.visitor()
  const wanted = await visitor.get('/orders?x=1')
  const fetched = [
    ['/favicon.ico', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['/manifest.webmanifest', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'manifest' }],
    ['/service-worker/app.js', { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'serviceworker' }],
    ['/next', { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch' }],
    ['/next', { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch;prerender' }],
    ['/apple-touch-icon.png', { 'sec-fetch-mode': 'no-cors' }],
    ['/.well-known/change-password', { 'sec-fetch-mode': 'navigate' }],
  ] as const
  for (const [path, headers] of fetched) await visitor.get(path, { headers })
  const signedIn = await visitor.fillIn(wanted.location ?? '', {
    username: 'ana',
    password: 'a lamp over the lodge gate',
  })
  t.equal(signedIn.location, '/orders?x=1')
  for (const [path, headers] of fetched) await visitor.get(path, { headers })
  t.equal((await visitor.get('/.gatelodge/sign-in?return=%2Fb')).location, '/b')
})
