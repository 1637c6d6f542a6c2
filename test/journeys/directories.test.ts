import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import bcrypt from 'bcryptjs'
import t, { type Test } from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import { startGateway } from '../support/gateway.js'
import { BASE, type LdapServer, READER, skipWithoutSlapd, startSlapd } from '../support/slapd.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { formOf, Visitor } from '../support/visitor.js'

// Processes start here, on machines that run other tests meanwhile.
t.setTimeout(600_000)

const password = 'a lamp over the lodge gate'

/** The login form of an old application: it redirects, and only the address tells whether the password was right. */
async function startLoginForm(t: Test, username: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const fields = new URLSearchParams(await text(request))
    if (request.method === 'GET') {
      response.setHeader('set-cookie', 'sid=1')
      return void response.end(
        '<form method=post><input type=hidden name=csrf value=t1><input type=password name=pw></form>',
      )
    }
    const isRight = fields.get('csrf') === 't1' && fields.get('name') === username && fields.get('pw') === password
    response.writeHead(302, { location: isRight ? '/home' : '/login?failed' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/login`
}

function startLdap(t: Test, uid: string): Promise<LdapServer> {
  const lines = ['objectClass: inetOrgPerson', `uid: ${uid}`, `mail: ${uid}@example.com`, `cn: ${uid}`, 'sn: x']
  return startSlapd(t, [`dn: uid=${uid},ou=people,${BASE}`, ...lines, `userPassword: ${password}`, ''].join('\n'))
}

t.test('users of every directory sign in with a second factor', { skip: skipWithoutSlapd() }, async (t) => {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const [form, ldap] = [await startLoginForm(t, 'fay'), await startLdap(t, 'leo')]
  const directory = join(await temporaryDirectory(t), 'gateway')
  await mkdir(directory)
  await writeFile(join(directory, 'users'), `hal:${await bcrypt.hash(password, 5)}\n`)
  await writeFile(
    join(directory, 'more'),
    `mia:${await bcrypt.hash(password, 5)}\nhal:${await bcrypt.hash('mine', 5)}\n`,
  )
  const gateway = await startGateway(t, {
    directory,
    environment: { LDAP_PASSWORD: READER.password },
    yaml: `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites:
  - upstream: ${application.url}
    rules:
      - { path: /admin/**, access: second-factor }
users:
  - { use: local }
  - { use: htpasswd, file: ./users }
  - { use: htpasswd, name: more, file: ./more }
  - use: ldap
    url: ${ldap.url}
    base: ou=people,${BASE}
    bind: { dn: "${READER.dn}", password: "\${LDAP_PASSWORD}" }
    timeoutSeconds: 30
  - use: http
    form: { url: "${form}", username: name, password: pw, success: { redirect: /home } }
    timeoutSeconds: 30
`,
  })
  const added = await gateway.run(['user', 'add', 'ana', '--role', 'user', '--password-stdin'], `${password}\n`)
  t.equal(added.code, 0, added.stderr)
  for (const taken of ['hal', 'LEO']) {
    const refused = await gateway.run(['user', 'add', taken, '--role', 'user', '--password-stdin'], `${password}\n`)
    t.equal(refused.code, 1, 'a name that another directory has is taken')
  }

  const ids = new Set<unknown>()
  for (const username of ['ana', 'hal', 'mia', 'leo', 'fay']) {
    await t.test(username, async (t) => {
      const wrong = await new Visitor(t, gateway.url).fillIn('/.gatelodge/sign-in', { username, password: 'mine' })
      t.equal(wrong.status, 422, 'a wrong password, and one of a later directory')

      await untilTwoCodesAreGood()
      const first = new Visitor(t, gateway.url)
      const page = await signIn(t, first, username)
      const key = (/<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(page)?.[1] ?? '').replace(/<[^>]*>|\s/g, '')
      const enrol = formOf(page)
      await first.post(enrol.action ?? '', { ...enrol.fields, code: codeAt(key, Date.now() - 30_000) })
      t.equal((await first.get('/admin/')).status, 200, 'in, by the app that was just set up')
      const own = await first.get('/.gatelodge/account/password')
      t.equal(/name="repeated"/.test(own.text), username === 'ana', 'only a local user can choose another password')

      const second = new Visitor(t, gateway.url)
      const asked = formOf(await signIn(t, second, username))
      t.equal((await second.get('/admin/')).status, 302, 'the password alone opens nothing')
      await second.post(asked.action ?? '', { ...asked.fields, code: codeAt(key, Date.now()) })
      t.equal((await second.get('/admin/')).status, 200)

      const shown = await gateway.run(['user', 'show', username, '--json'])
      ids.add((JSON.parse(shown.stdout) as { id: string }).id)
    })
  }
  t.equal(ids.size, 5)
  for (const id of ['htpasswd:hal', 'more:mia', 'http:fay']) t.ok(ids.has(id), id)
  t.equal([...ids].filter((id) => /^(ldap:)?[0-9a-f-]{36}$/.test(String(id))).length, 2)

  await ldap.stop()
  const late = new Visitor(t, gateway.url)
  const down = await late.fillIn('/.gatelodge/sign-in', { username: 'leo', password })
  t.equal(down.status, 503)
  const behind = await late.fillIn('/.gatelodge/sign-in', { username: 'fay', password })
  t.equal(behind.status, 503, 'nobody knows whether it is a name of the directory that is down')
  const before = await late.fillIn('/.gatelodge/sign-in', { username: 'mia', password })
  t.equal(before.status, 303, 'those before it sign in')
})

/** Up to the page that asks for a code, or shows the key to take over. */
async function signIn(t: Test, visitor: Visitor, username: string): Promise<string> {
  const asked = await visitor.get('/admin/')
  let answer = await visitor.fillIn(asked.location ?? '', { username, password }, '/sign-in')
  for (let n = 0; n < 5 && answer.location !== undefined; n += 1) {
    answer = await visitor.get(answer.location)
    if (/name="code"/.test(answer.text)) break
  }
  t.match(answer.text, /name="code"/)
  return answer.text
}
