import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import {
  type Call,
  type Caller,
  curl,
  fetchIn,
  python,
  skipWithoutCurl,
  skipWithoutPython,
} from '../support/callers.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { formOf, Visitor } from '../support/visitor.js'

// Processes start here, and every password costs a hash, on machines that run other tests meanwhile.
t.setTimeout(600_000)

const password = 'correct horse 7 battery'

interface House {
  readonly gateway: RunningGateway
  readonly requests: IncomingMessage[]
  /** A request as it comes from this address, through the trusted proxy. */
  from(address: string, path: string, headers?: Readonly<Record<string, string>>): ReturnType<Visitor['send']>
}

async function openHouse(t: Test, rules: string, users: Readonly<Record<string, string>>): Promise<House> {
  const requests: IncomingMessage[] = []
  const application = createServer((request, response) => {
    requests.push(request)
    response.end(`<p>${request.method} ${request.url}</p>`)
  })
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    application.closeAllConnections()
    application.close()
  })
  const { port } = application.address() as AddressInfo
  const gateway = await startGateway(t, { yaml: rules.replaceAll('UPSTREAM', `http://127.0.0.1:${port}`) })
  for (const [name, role] of Object.entries(users)) {
    const args = ['user', 'add', name, '--email', `${name}@example.com`, '--role', role, '--password-stdin']
    const added = await gateway.run(args, `${password}\n`)
    t.equal(added.code, 0, added.stderr)
  }
  const visitor = new Visitor(t, gateway.url)
  const from: House['from'] = (address, path, headers = {}) =>
    visitor.send('GET', path, { headers: { 'x-forwarded-for': address, ...headers } })
  return { gateway, requests, from }
}

function basic(username: string, secret = password) {
  return { authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}` }
}

async function issue({ gateway }: House, ...args: string[]): Promise<string> {
  const issued = await gateway.run(['tokens', 'issue', ...args])
  if (issued.code !== 0) throw new Error(issued.stderr)
  return issued.stdout.trim()
}

t.test('API clients keep working when two-factor is forced (S20), with passwords and tokens (C04, B03)', async (t) => {
  const core = await openHouse(
    t,
    `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
trustedProxies: [127.0.0.1/32]
sites:
  - upstream: UPSTREAM
    rules:
      - { path: /import/**, from: [203.0.113.0/24, "2001:db8:5::/48"], users: [nightly], access: password, clients: api }
      - { path: /api/**, methods: [GET], access: password, clients: api }
networks:
  - { range: [0.0.0.0/0, "::/0"], secondFactor: required }
secondFactor: { required: everyone }
`,
    { nightly: 'api', weekly: 'api', ann: 'user' },
  )
  const { gateway, requests, from } = core

  await t.test('an IP rule lets named API accounts through from named ranges', async (t) => {
    for (const address of ['203.0.113.7', '2001:db8:5::9', '::ffff:203.0.113.7', '198.51.100.1, 203.0.113.7']) {
      t.match(await from(address, '/import/x', basic('nightly')), { status: 200 }, address)
      t.match(requests.at(-1)?.headers, { 'remote-user': 'nightly' })
      t.equal(requests.at(-1)?.headers.authorization, undefined)
    }
    const before = requests.length
    for (const address of ['198.51.100.1', '2001:db8:6::1', '203.0.113.7, 198.51.100.1', '203.0.113.7, junk', 'junk']) {
      const refused = await from(address, '/import/x', basic('nightly'))
      t.ok([401, 403].includes(refused.status), `${address}: ${refused.status}`)
      t.equal(refused.headers['content-type'], 'application/problem+json')
    }
    const claims = { 'x-real-ip': '203.0.113.7', forwarded: 'for=203.0.113.7', 'x-client-ip': '203.0.113.7' }
    t.match(await from('198.51.100.1', '/import/x', { ...basic('nightly'), ...claims }), { status: 401 })
    t.match(await from('203.0.113.7', '/import/x', basic('weekly')), { status: 403 }, 'another API account')
    t.match(await from('203.0.113.7', '/import/x', basic('ann')), { status: 401 }, 'a person')
    t.match(await from('203.0.113.7', '/import/x'), { status: 401 })
    t.equal(requests.length, before)
  })

  await t.test('everybody else is asked for the second factor as before', async (t) => {
    const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
    t.match(await from('203.0.113.7', '/import/x', page), { status: 302, location: /sign-in/ })
    const visitor = new Visitor(t, gateway.url)
    const asked = await visitor.get('/api/x')
    const signedIn = await visitor.fillIn(asked.location ?? '', { username: 'ann', password }, '/sign-in')
    t.match(signedIn, { location: /enrol/ })
    const refused = await visitor.fillIn(asked.location ?? '', { username: 'nightly', password }, '/sign-in')
    t.equal(refused.status, 422, 'an API account has no way in by a page')
  })

  await t.test('a token is issued, used, limited, listed and revoked on the command line', async (t) => {
    const limits = ['--method', 'GET', '--path', '/api/orders/**', '--from', '198.51.100.0/24', '--expires', '90d']
    const secret = await issue(core, 'ann', '--name', 'nightly import', '--site', 'localhost', ...limits)
    t.match(secret, /^glt_[0-9A-Za-z]{61}$/)
    const bearer = { authorization: `Bearer ${secret}` }
    t.match(await from('198.51.100.1', '/api/orders/1', bearer), { status: 200 }, 'no second factor is asked')
    t.match(requests.at(-1)?.headers, { 'remote-user': 'ann' })
    t.match(await from('198.51.100.1', '/api/orders/1', basic('ann', secret)), { status: 200 })
    const narrow = await from('198.51.100.1', '/api/users', bearer)
    t.match(narrow.json(), { status: 403, code: 'token.insufficient-scope' })
    t.match((await from('203.0.113.1', '/api/orders/1', bearer)).json(), { code: 'token.insufficient-scope' })
    t.match(await from('198.51.100.1', '/elsewhere', bearer), { status: 401 }, 'no rule for programs there')

    const listed = await until('the last use to be written down', async () => {
      const { stdout } = await gateway.run(['tokens', 'list', 'ann', '--json'])
      const [row] = JSON.parse(stdout) as Array<Record<string, string>>
      return row?.['lastUsedAt'] === undefined ? undefined : row
    })
    t.match(listed, {
      username: 'ann',
      name: 'nightly import',
      status: 'active',
      sites: ['localhost'],
      methods: ['GET'],
      paths: ['/api/orders/**'],
      networks: ['198.51.100.0/24'],
      lastUsedFrom: '198.51.100.1',
    })
    const table = await gateway.run(['tokens', 'list'])
    t.match(table.stdout, /^ID .*USERNAME .*\n.* ann .*nightly import .*active/)
    const revoked = await gateway.run(['tokens', 'revoke', listed['id'] ?? ''])
    t.match(revoked, { code: 0, stdout: /nightly import/ })
    t.match((await from('198.51.100.1', '/api/orders/1', bearer)).json(), { status: 401, code: 'api.credentials' })
    t.equal((await gateway.run(['tokens', 'revoke', listed['id'] ?? ''])).code, 1)
    t.notMatch(gateway.logs() + table.stdout + JSON.stringify(listed), secret.slice(16))
  })
})

interface Refusal {
  readonly what: string
  readonly path: string
  readonly call?: Call
  /** Who the caller is signed in as, by a cookie. */
  readonly as?: 'ann' | 'bob'
  readonly status: number
  readonly code: string
  /** Comes when it has been asked often enough, or late enough. */
  readonly inTheEnd?: boolean
}

const refusals: readonly Refusal[] = [
  { what: 'nobody is signed in', path: '/private', status: 401, code: 'sign-in.required' },
  {
    what: 'nobody is signed in for a POST',
    path: '/private',
    call: { method: 'POST' },
    status: 401,
    code: 'sign-in.required',
  },
  { what: 'no credentials for the API', path: '/api/x', status: 401, code: 'sign-in.required' },
  {
    what: 'wrong credentials',
    path: '/api/x',
    call: { headers: { authorization: 'Bearer glt_wrong' } },
    status: 401,
    code: 'api.credentials',
  },
  {
    what: 'the second factor is missing',
    path: '/office',
    as: 'ann',
    status: 401,
    code: 'sign-in.second-factor-required',
  },
  { what: 'none is set up yet', path: '/office', as: 'bob', status: 401, code: 'sign-in.enrolment-required' },
  {
    what: 'the proof is too old',
    path: '/fresh',
    as: 'bob',
    status: 401,
    code: 'sign-in.reauthentication-required',
    inTheEnd: true,
  },
  { what: 'a rule denies', path: '/closed', as: 'bob', status: 403, code: 'access.denied' },
  {
    what: 'the scope of a token',
    path: '/api/x',
    call: { headers: { authorization: 'NARROW' } },
    status: 403,
    code: 'token.insufficient-scope',
  },
  {
    what: 'the rate of a token',
    path: '/api/x',
    call: { headers: { authorization: 'RATED' } },
    status: 429,
    code: 'token.rate-limited',
    inTheEnd: true,
  },
  {
    what: 'too many wrong passwords',
    path: '/api/x',
    call: { headers: basic('ghost') },
    status: 429,
    code: 'sign-in.throttled',
    inTheEnd: true,
  },
  { what: 'an ambiguous address', path: '/api/%00', status: 400, code: 'request.target' },
  { what: 'the application is down', path: '/down/x', status: 502, code: 'upstream.unreachable' },
]

t.test('curl, a Python script and a browser’s fetch get answers they understand from every refusal', async (t) => {
  const core = await openHouse(
    t,
    `
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites:
  - path: /down
    upstream: http://127.0.0.1:1
    rules: [{ path: /down/**, access: public }]
  - upstream: UPSTREAM
    rules:
      - { path: /public, access: public }
      - { path: /simple, access: password }
      - { path: /fresh, access: password, reauthenticate: 1s }
      - { path: /office, access: second-factor }
      - { path: /closed, access: deny }
      - { path: /api/**, access: password, clients: api }
`,
    { ann: 'user', bob: 'user' },
  )
  const { gateway } = core
  const cookies = { ann: await passwordSession(t, gateway, 'ann', true), bob: await passwordSession(t, gateway, 'bob') }
  const tokens = {
    NARROW: await issue(core, 'bob', '--path', '/api/other'),
    RATED: await issue(core, 'bob', '--rate', '1/d'),
  }

  /** Everything that has to be right about one refusal. */
  async function check(t: Test, caller: Caller, refusal: Refusal, headers: Readonly<Record<string, string>>) {
    const { what, path, call = {}, status, code, inTheEnd } = refusal
    const { authorization } = call.headers ?? {}
    const token = authorization === 'NARROW' || authorization === 'RATED' ? tokens[authorization] : undefined
    const given = { ...headers, ...call.headers, ...(token && { authorization: `Bearer ${token}` }) }
    const ask = () => caller(`${gateway.url}${path}`, { ...call, headers: given })
    const reply = inTheEnd
      ? await until(`${what}: ${status}`, async () => ((one) => one.status === status && one)(await ask()), 60_000)
      : await ask()
    t.equal(reply.status, status, what)
    t.equal(reply.headers['content-type'], 'application/problem+json', what)
    t.equal(reply.headers['set-cookie'], undefined, what)
    t.equal(reply.headers['cache-control'], 'no-store', what)
    const problem = JSON.parse(reply.body) as Record<string, unknown>
    t.match(problem, { status, code, title: String, detail: String, requestId: reply.headers['x-request-id'] }, what)
    t.equal(status === 429, /^[1-9]\d*$/.test(reply.headers['retry-after'] ?? ''), what)
    t.equal(
      status === 401,
      reply.headers['www-authenticate'] !== undefined && code !== 'token.insufficient-scope',
      what,
    )
    return reply
  }

  for (const [name, caller, skip] of [
    ['curl', curl, skipWithoutCurl()],
    ['python', python, skipWithoutPython()],
  ] as const) {
    await t.test(name, { skip }, async (t) => {
      for (const refusal of refusals) {
        const cookie = refusal.as === undefined ? {} : { cookie: cookies[refusal.as] }
        const { headers } = await check(t, caller, refusal, cookie)
        if (refusal.status !== 401) continue
        const challenge = refusal.path.startsWith('/api/') ? /^Basic .*, Bearer / : /^Cookie /
        t.match(headers['www-authenticate'], challenge, refusal.what)
      }
      const all = await caller(`${gateway.url}/api/x`, {
        headers: { authorization: `Bearer ${await issue(core, 'bob')}` },
      })
      t.match(all, { status: 200, body: '<p>GET /api/x</p>' })
    })
  }

  await t.test('fetch', { skip: skipWithoutChromium() }, async (t) => {
    const browser = await launchChromium(t)
    const { context, page } = await openWindow(browser)
    for (const user of [undefined, 'ann', 'bob'] as const) {
      if (user !== undefined) {
        const [name = '', value = ''] = cookies[user].split('=')
        await context.addCookies([{ name, value, url: gateway.url }])
      }
      await page.goto(`${gateway.url}/public`)
      for (const refusal of refusals.filter((each) => each.as === user)) {
        const { headers } = await check(t, fetchIn(page), refusal, {})
        t.notMatch(headers['www-authenticate'] ?? '', /Basic/, 'no box of the browser’s own')
      }
    }
  })

  await t.test('and only whoever waits for a page gets one', async (t) => {
    const visitor = new Visitor(t, gateway.url)
    t.match(await visitor.get('/private'), { status: 302, location: /sign-in/ })
    for (const [path, status] of [
      ['/closed', 403],
      ['/down/x', 502],
      ['/api/%00', 400],
    ] as const) {
      const shown = await visitor.get(path)
      t.equal(shown.status, status)
      t.match(shown.headers['content-type'], 'text/html; charset=utf-8')
    }
  })
})

/** The cookie of a session with nothing but the password in it, of a user with or without a second factor. */
async function passwordSession(t: Test, gateway: RunningGateway, username: string, enrolled = false): Promise<string> {
  const visitor = new Visitor(t, gateway.url)
  if (enrolled) {
    await untilTwoCodesAreGood()
    const asked = await visitor.get('/office')
    let answer = await visitor.fillIn(asked.location ?? '', { username, password }, '/sign-in')
    while (answer.location !== undefined && !answer.text.includes('class="key"'))
      answer = await visitor.get(answer.location)
    const key = (/<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(answer.text)?.[1] ?? '').replace(/<[^>]*>|\s/g, '')
    const form = formOf(answer.text)
    await visitor.post(form.action ?? '', { ...form.fields, code: codeAt(key, Date.now()) })
    visitor.cookies.clear()
  }
  const asked = await visitor.get('/simple')
  await visitor.fillIn(asked.location ?? '', { username, password }, '/sign-in')
  t.equal((await visitor.get('/simple')).status, 200)
  return `gatelodge=${visitor.cookies.get('gatelodge')}`
}
