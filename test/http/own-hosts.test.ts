import t from 'tap'
import { application } from '../support/front-door.js'
import { housePassword, startHouse } from '../support/house.js'
import { formOf } from '../support/visitor.js'

t.setTimeout(120_000)

const yaml = (upstream: string) => `
listen: 127.0.0.1:0
publicUrl: http://localhost:8080
signIn: { at: each-host }
sites:
  - { host: crm.localhost, upstream: "${upstream}" }
  - { host: wiki.localhost, path: /only, upstream: "${upstream}" }
`

t.test(
  'own pages answer under the hosts of sites and of publicUrl, and under no other name that leads here',
  async (t) => {
    const core = await startHouse(t, { yaml: yaml((await application(t)).url) })
    const visitor = core.visitor()
    const statusOf = async (page: string, host: string) =>
      (await visitor.get(`/.gatelodge${page}`, { headers: { host } })).status
    for (const host of ['crm.localhost', 'CRM.localhost.:8080', 'wiki.localhost', 'localhost']) {
      t.equal(await statusOf('/sign-in', host), 200, host)
    }
    for (const host of ['evil.test', 'crm.localhost.evil.test', 'localhost.evil.test', '127.0.0.1', 'ocalhost']) {
      for (const page of ['/sign-in', '/account', '/admin', '/help', '/api/v1/users', '']) {
        t.equal(await statusOf(page, host), 404, `${host}${page}`)
      }
      const json = { headers: { host, accept: 'application/json' } }
      t.match((await visitor.send('GET', '/.gatelodge/sign-in', json)).json(), { code: 'site.unknown' })
    }
  },
)

t.test('a form is not taken under a name that is not ours, so that no session is opened there', async (t) => {
  const core = await startHouse(t, { yaml: yaml((await application(t)).url) })
  await core.addUser('ana')
  const visitor = core.visitor()
  const host = 'crm.localhost'
  const page = await visitor.get('/.gatelodge/sign-in', { headers: { host } })
  const { fields } = formOf(page.text, '/sign-in')
  const filled = { ...fields, username: 'ana', password: housePassword }
  const answer = await visitor.post('/.gatelodge/sign-in', filled, { headers: { host: 'evil.test' } })
  t.equal(answer.status, 404)
  t.equal(answer.headers['set-cookie'], undefined)
  t.equal((await visitor.post('/.gatelodge/sign-in', filled, { headers: { host } })).status, 303)
})

t.test('what machines ask answers under every name', async (t) => {
  const core = await startHouse(t, { yaml: yaml((await application(t)).url) })
  const visitor = core.visitor()
  for (const page of ['/healthz', '/readyz']) {
    t.equal((await visitor.get(`/.gatelodge${page}`, { headers: { host: 'any.test' } })).status, 200, page)
  }
})

t.test('a site without a host answers to any, and so do own pages beside it', async (t) => {
  const { url } = await application(t)
  const core = await startHouse(t, { yaml: `listen: 127.0.0.1:0\nsites: [{ upstream: "${url}" }]\n` })
  const visitor = core.visitor()
  t.equal((await visitor.get('/.gatelodge/sign-in', { headers: { host: 'any.test' } })).status, 200)
})
