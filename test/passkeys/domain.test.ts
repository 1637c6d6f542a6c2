import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildGateway, openCore } from '../../src/app.js'
import { check } from '../../src/cli/commands/check.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { SoftAuthenticator } from '../support/authenticator.js'
import { application } from '../support/front-door.js'
import { housePassword, startHouse } from '../support/house.js'
import { lentHost } from '../support/lent-host.js'
import { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'
import { questionOf } from './house.js'

t.setTimeout(120_000)

/** What belongs to the domain of passkeys: the paths that standards name, and the RP ID that can never change. */

const portal = 'http://login.crm.localhost'

async function house(t: Test, more: string, method = 'signIn: true') {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: ${portal}
sites:
  - { host: crm.localhost, upstream: "${app.url}", rules: [{ path: /**, access: public }] }
  - { host: wiki.localhost, upstream: "${app.url}", rules: [{ path: /**, access: public }] }
secondFactor: { methods: [{ use: passkey, ${method} }] }
${more}
`,
  })
  return { ...core, app, browser: () => new Roamer(t, core.port) }
}

const wellKnown = ['change-password', 'passkey-endpoints', 'webauthn'].map((name) => `/.well-known/${name}`)

t.test('with one sign-in for all hosts, the portal answers and no other host', async (t) => {
  const { browser } = await house(t, '')
  const visitor = browser()
  const [change, endpoints, webauthn] = wellKnown
  const password = await visitor.get(`${portal}${change}`)
  t.equal(password.status, 302)
  t.equal(password.headers['location'], `${portal}/.gatelodge/account/password`)
  const answer = await visitor.get(`${portal}${endpoints}`)
  t.match(answer.headers['content-type'], 'application/json')
  t.same(JSON.parse(answer.text), {
    enroll: `${portal}/.gatelodge/account/methods/add/passkey`,
    manage: `${portal}/.gatelodge/account/methods`,
  })
  t.equal((await visitor.get(`${portal}${webauthn}`)).status, 404, 'no other host asks for passkeys')
  for (const path of [...wellKnown, '/.well-known/openid-configuration']) {
    t.equal((await visitor.get(`http://crm.localhost${path}`)).text, `GET ${path}`, 'the application’s own')
  }
})

t.test('where every host is for itself, the domain names the hosts that may ask', async (t) => {
  const { browser, app } = await house(t, 'signIn: { at: each-host }')
  const visitor = browser()
  const answer = await visitor.get(`${portal}/.well-known/webauthn`)
  t.match(answer.headers['content-type'], 'application/json')
  t.same(JSON.parse(answer.text), { origins: [portal, 'http://crm.localhost', 'http://wiki.localhost'] })
  for (const path of wellKnown) t.equal((await visitor.get(`http://crm.localhost${path}`)).text, `GET ${path}`)
  t.ok(app.requests.length >= 3)
})

t.test('a portal that is a site keeps what is not ours for its application', async (t) => {
  const app = await application(t)
  const { port } = await startHouse(t, {
    yaml: `
publicUrl: http://crm.localhost
sites: [{ host: crm.localhost, upstream: "${app.url}", rules: [{ path: /**, access: public }] }]
`,
  })
  const visitor = new Roamer(t, port)
  const at = (path: string) => `http://crm.localhost/.well-known/${path}`
  t.equal((await visitor.get(at('change-password'))).status, 302)
  for (const path of ['passkey-endpoints', 'webauthn', 'security.txt', 'change-password/x', 'Change-Password']) {
    t.equal((await visitor.get(at(path))).text, `GET /.well-known/${path}`, path)
  }
  t.equal((await visitor.post(at('change-password'), {})).text, 'POST /.well-known/change-password')
})

t.test('a change of rpId is refused while people have passkeys, with their number', async (t) => {
  const { browser, addUser, configFile, core, directory } = await house(t, '')
  const device = new SoftAuthenticator(portal)
  for (const username of ['ana', 'bob']) {
    await addUser(username)
    const visitor = browser()
    const page = await visitor.get(`${portal}/.gatelodge/sign-in`)
    const { action = '', fields } = formOf(page.text, '/sign-in')
    await visitor.post(new URL(action, portal).href, { ...fields, username, password: housePassword })
    const enrol = await visitor.get(`${portal}/.gatelodge/enrol/passkey`)
    const answer = device.create(questionOf(enrol.text))
    const form = formOf(enrol.text, '/enrol/passkey')
    const done = await visitor.post(`${portal}/.gatelodge/enrol/passkey`, { ...form.fields, name: '', answer })
    t.equal(done.status, 303)
  }
  const before = await readFile(configFile, 'utf8')
  const checked = async (yaml: string) => {
    const file = join(directory, 'changed.yaml')
    await writeFile(file, yaml)
    let said = ''
    const output = { write: (text: string) => (said += text) }
    const code = await check({ config: file }, { env: {}, stdout: output, stderr: output })
    return { code, said, file }
  }
  t.equal((await checked(before)).code, 0, 'as it is')
  const wider = before.replace('use: passkey,', 'use: passkey, rpId: crm.localhost,')
  const { code, said, file } = await checked(wider)
  t.equal(code, 2)
  t.match(said, /2 people set up belongs to another domain than crm\.localhost/)
  const config = await checkConfig(file, {})
  if ('problems' in config) throw new Error('the file itself is right')
  const other = await openCore(config.config, { log: lentHost().log, now: () => Date.now() })
  await t.rejects(buildGateway(other), /2 people/, 'no gateway starts with it')
  await other.close()
  for (const username of ['ana', 'bob']) {
    const [user] = await core.directory.find({ username })
    await core.identity.enrolments.reset(user?.id ?? '')
  }
  t.equal((await checked(wider)).code, 0, 'once nobody has one')
})
