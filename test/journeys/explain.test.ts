import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openExplainer } from '../../src/app.js'
import { type ExplainOptions, explainRequest } from '../../src/cli/commands/explain/explain.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../support/house.js'

t.setTimeout(120_000)

/** B02: what `explain` says is what happens, because it is what the gate was asked. */

async function application(t: Test): Promise<string> {
  const server = createServer((_request, response) => response.end('the application'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const yaml = (upstream: string) => `publicUrl: http://localhost
trustedProxies: ["127.0.0.1", "::1"]
sites:
  - host: localhost
    upstream: ${upstream}
    rules:
      - { path: /open/**, access: public }
      - { path: /closed/**, access: deny }
      - { path: /api/**, access: password, clients: api, from: [203.0.113.0/24] }
      - { path: /simple/**, access: password }
      - { path: /office/**, access: second-factor }
      - { path: /staff/**, access: password, groups: [staff] }
  - host: localhost
    path: /wiki
    upstream: ${upstream}
    enforce: false
    rules:
      - { path: /wiki/private/**, access: deny }
networks:
  - { range: [198.51.100.0/24], access: deny }
  - { range: [192.0.2.0/24], secondFactor: required }
`

async function run(
  { core, configFile }: OpenHouse,
  args: readonly string[],
  options: ExplainOptions = {},
  input = '',
): Promise<{ code: number; out: string; err: string }> {
  const terminal: Terminal = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  ;(terminal.stdin as PassThrough).end(input)
  const { publicUrl } = core.config
  const services = { ...core.identity, ...core, explainer: openExplainer(core), publicUrl, file: 'gatelodge.yaml' }
  t.ok(configFile)
  const [method, url] = args
  const code = await explainRequest(services, terminal, method, url, options)
  terminal.stdout.end()
  terminal.stderr.end()
  return { code, out: await text(terminal.stdout as PassThrough), err: await text(terminal.stderr as PassThrough) }
}

async function inJson(gateway: OpenHouse, args: readonly string[], options: ExplainOptions) {
  const { code, out } = await run(gateway, args, { ...options, json: true })
  return { code, answer: JSON.parse(out) }
}

/** What an outcome is to a program over HTTP. */
const statusOf: Readonly<Record<string, number>> = {
  allow: 200,
  'sign-in': 401,
  'second-factor': 401,
  enrol: 401,
  reauthenticate: 401,
  deny: 403,
}
const codeOf: Readonly<Record<string, string>> = {
  'sign-in': 'sign-in.required',
  'second-factor': 'sign-in.second-factor-required',
  enrol: 'sign-in.enrolment-required',
  reauthenticate: 'sign-in.reauthentication-required',
  deny: 'access.denied',
}

t.test('explain and the gate over HTTP say the same about a table of requests', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  await gateway.addUser('ann')
  await gateway.addUser('job', { role: 'api' })
  const bea = await gateway.addUser('bea')
  await gateway.core.identity.accounts.change(bea, (account) => ({ ...account, required: true }))
  const visitors = { nobody: gateway.visitor(), ann: gateway.visitor(), bea: gateway.visitor() }
  await signIn(visitors.ann, 'ann')
  await gateway.core.identity.accounts.change(bea, (account) => ({ ...account, required: false }))
  await signIn(visitors.bea, 'bea')
  await gateway.core.identity.accounts.change(bea, (account) => ({ ...account, required: true }))

  const paths = [
    '/',
    '/open/x',
    '/closed/x',
    '/api/x',
    '/simple/x',
    '/office/x',
    '/staff/x',
    '/wiki/private/a',
    '/open;v=1/x',
    '/closed/..%2fx',
  ]
  const addresses = ['203.0.113.9', '198.51.100.9', '192.0.2.9', '2001:db8::9']
  let compared = 0
  for (const path of paths) {
    for (const from of addresses) {
      for (const who of ['nobody', 'ann', 'bea', 'job'] as const) {
        const basic = `Basic ${Buffer.from(`job:${housePassword}`).toString('base64')}`
        const headers = { 'x-forwarded-for': from, ...(who === 'job' ? { authorization: basic } : {}) }
        const visitor = who === 'job' ? visitors.nobody : visitors[who]
        const answer = await visitor.send('GET', path, { headers })
        const user = who === 'nobody' ? {} : { user: who }
        const { answer: said } = await inJson(gateway, ['GET', `http://localhost:${gateway.port}${path}`], {
          from,
          ...user,
        })
        const name = `${path} by ${who} from ${from}`
        if (said.outcome === 'refused') {
          t.equal(answer.status, said.status, name)
          t.equal((answer.json() as { code: string }).code, said.code, name)
        } else {
          const outcome = said.site.enforced ? said.outcome : 'allow'
          t.equal(answer.status, statusOf[outcome], name)
          const { code } = outcome === 'allow' ? { code: undefined } : (answer.json() as { code: string })
          // Credentials on a rule for programs that lets nobody in by them are told so.
          if (code !== 'api.credentials') t.equal(code, codeOf[outcome], name)
          const id = String(answer.headers['x-request-id'] ?? '')
          if (outcome !== 'allow') {
            await gateway.core.refusals.settled()
            const kept = await gateway.core.refusals.find(id)
            if (kept !== undefined) t.match(kept, { outcome: said.outcome, row: said.row, reason: said.reason }, name)
          }
        }
        compared += 1
      }
    }
  }
  t.equal(compared, 160)
})

t.test('a setting that was changed while everything runs is explained as it is now', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  await gateway.addUser('ann')
  const request = ['GET', '/']
  const from = { user: 'ann', from: '203.0.113.9' }
  t.match((await inJson(gateway, request, from)).answer, { outcome: 'allow', row: 12 })
  await gateway.core.identity.settings.set('secondFactor.required', 'everyone', { name: 'olga' })
  t.match((await inJson(gateway, request, from)).answer, {
    outcome: 'enrol',
    row: 11,
    missing: [{ what: 'a second factor, set up first', row: 11 }],
    finally: { outcome: 'allow' },
    facts: { settings: { required: 'everyone', requiredFrom: 'store' } },
  })
})

t.test('whoever is led to what is missing was refused nothing; a program that is stopped was', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  const denied = async () => {
    await gateway.core.refusals.settled()
    return (await gateway.core.audit.since(0, 1000)).filter(({ event }) => event === 'access.denied')
  }
  const led = await ann.get('/office/x')
  t.match(led.location, '/.gatelodge/enrol')
  t.same(await denied(), [], 'neither in the record nor in a count of refusals')
  const kept = await gateway.core.refusals.find(String(led.headers['x-request-id'] ?? ''))
  t.match(kept, { outcome: 'enrol', isLed: true }, 'explain can still say why')
  const script = await ann.send('GET', '/office/x', { headers: { accept: 'application/json' } })
  t.equal(script.status, 401)
  t.match(await denied(), [{ outcome: 'refused', username: 'ann' }], 'nobody leads a script anywhere')
})

t.test('the explanation is for people: the rule with file and line, the facts, what is missing', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  await gateway.addUser('ann')
  const at = '2026-03-01T08:00:00Z'
  const from = '203.0.113.9'
  const office = await run(gateway, ['GET', '/office/x'], { user: 'ann', from, at })
  t.equal(
    office.out,
    `GET localhost/office/x by ann, with the password, from 203.0.113.9, at 2026-03-01 08:00:00Z
enrol: a second factor must be set up first
  row 4: the rule says "second-factor" (gatelodge.yaml:11)
  rule: /office/** second-factor (gatelodge.yaml:11)
missing: a second factor, set up first
then allow: everything that is needed was given
  row 4: the rule says "second-factor" (gatelodge.yaml:11)
  rule: /office/** second-factor (gatelodge.yaml:11)
site: localhost/ (gatelodge.yaml:4)
account: username ann, role user, status active, groups none, required false, enrolled none, exempt false, grace false
network: says nothing
settings: required when-enabled, requiredFrom default, unenrolled enrol, unenrolledFrom default
`,
  )
  t.match((await run(gateway, ['GET', '/wiki/private/x'], { from })).out, /^NOT ENFORCED/m)
  t.match((await run(gateway, ['GET', '/'], { from: '192.0.2.7', user: 'ann' })).out, /row 6: .*gatelodge\.yaml:21/)
  const nobody = await run(gateway, ['GET', '/office/x'], { from, user: 'ann', proof: 'none' })
  t.match(nobody.out, /^sign-in: .*[\s\S]*^missing: the password[\s\S]*^missing: a second factor, set up first/m)
  t.match((await run(gateway, ['GET', '/.gatelodge/sign-in'], { from })).out, 'a page of the gateway itself')
  t.match((await run(gateway, ['GET', '/'], {})).out, 'an address nobody could read')
})

t.test('what cannot be asked is said in a sentence, with an exit code', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml('http://127.0.0.1:1') })
  const cases: ReadonlyArray<readonly [readonly string[], ExplainOptions, number, RegExp]> = [
    [[], {}, 2, /Say which request/],
    [['GET'], {}, 2, /Say which request/],
    [['get', '/'], {}, 2, /capitals/],
    [['GET', 'ftp://x/'], {}, 2, /URL or a path/],
    [['GET', '/'], { from: '010.0.0.1' }, 2, /no address/],
    [['GET', '/'], { at: 'tomorrow' }, 2, /no time/],
    [['GET', '/'], { age: 'long' }, 2, /--age/],
    [['GET', '/'], { proof: 'face', user: 'ann' }, 2, /one of none, password/],
    [['GET', '/'], { proof: 'device' }, 2, /say --user/],
    [['GET', '/'], { user: 'zoe' }, 1, /no user "zoe"/],
    [['GET', 'http://elsewhere/'], {}, 1, /404 site\.unknown/],
    [['GET', '/%00'], {}, 1, /400 request\.target/],
    [['GET', '//x'], {}, 1, /400 request\.empty-segment[^\n]*emptySegment: pass/s],
    [['GET', '/'], { request: 'x1' }, 2, /not both/],
    [[], { request: 'x 1' }, 2, /not the number/],
    [[], { request: 'x1' }, 1, /No request x1 was stopped/],
    [[], { request: 'x1', log: '/nowhere/log' }, 1, /cannot be read/],
  ]
  for (const [args, options, code, words] of cases) {
    t.match(await run(gateway, args, options), { code, err: words }, JSON.stringify([args, options]))
  }
})

t.test('a request that was stopped is explained by its number, from the store and from the log', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  const answer = await ann.send('GET', '/staff/x?secret=1')
  const { requestId } = answer.json() as { requestId: string }
  await gateway.core.refusals.settled()
  const found = await run(gateway, [], { request: requestId })
  t.equal(found.code, 0, found.err)
  t.match(found.out, /^deny: the user is not among those of the rule$/m)
  t.match(found.out, /^ {2}row 7: .* \(gatelodge\.yaml:12\)$/m)
  t.match(found.out, /^by ann$/m)
  t.notMatch(found.out, 'secret')
  t.match(JSON.parse((await run(gateway, [], { request: requestId, json: true })).out), { outcome: 'deny', row: 7 })

  const lines = gateway.lines.map(({ fields, message }) => JSON.stringify({ ...fields, msg: message }))
  const log = `not json\n${lines.join('\n')}\n`
  const file = join(t.testdir({}), 'log')
  writeFileSync(file, log)
  t.match((await run(gateway, [], { request: requestId, log: file })).out, /^deny: the user is not among/m)
  t.match((await run(gateway, [], { request: requestId, log: '-' }, log)).out, /^deny: the user is not among/m)
})

t.test('what a token lacks is said, of every token the user has', async (t) => {
  const gateway = await startHouse(t, { yaml: yaml(await application(t)) })
  const job = await gateway.addUser('job', { role: 'api' })
  const { tokens } = gateway.core.identity
  const request = ['GET', '/api/x']
  const from = '203.0.113.9'
  const byToken = { user: 'job', from, proof: 'token' }
  const none = await run(gateway, request, byToken)
  t.match(none.out, /^allow: .*\n[\s\S]*^token: job has none, so one without limits is assumed$/m)

  const issue = async (name: string, scopes: object) => {
    const issued = await tokens.issue({ accountId: job, name, scopes }, 'test')
    if (issued === undefined) throw new Error('no token')
    return issued
  }
  const narrow = await issue('narrow', { methods: ['POST'], paths: ['/reports/**'], networks: ['192.0.2.0/24'] })
  const lacking = await run(gateway, request, byToken)
  t.match(lacking.out, /^deny: the token is not for this network$/m)
  t.match(lacking.out, `token ${narrow.token.id} (narrow): lacks this network, this method, this path`)
  const answer = await gateway.visitor().send('GET', '/api/x', {
    headers: { 'x-forwarded-for': from, authorization: `Bearer ${narrow.secret}` },
  })
  t.match(answer.json(), { status: 403, code: 'token.insufficient-scope' }, 'as the gate says')

  const wide = await issue('wide', { methods: ['GET'] })
  const both = await inJson(gateway, request, byToken)
  t.match(both.answer, {
    outcome: 'allow',
    tokens: [
      { name: 'narrow', lacks: ['network', 'method', 'path'] },
      { name: 'wide', lacks: [] },
    ],
  })
  t.match((await inJson(gateway, request, { from, token: narrow.token.id })).answer, { outcome: 'deny', row: 5 })
  t.match((await run(gateway, ['GET', '/'], { from, token: wide.token.id })).out, /^missing: a rule with clients: api/m)
  await tokens.revokeAll(job, 'test')
  t.match(await run(gateway, request, { from, token: wide.token.id }), { code: 1, err: /There is no token/ })
  const gone = await issue('gone', {})
  await gateway.core.identity.accounts.deactivate(job)
  const over = await run(gateway, request, { from, token: gone.token.id })
  t.match(over.out, /^sign-in: [\s\S]*\(gone\): has ended, and opens nothing$/m)
  t.match(await run(gateway, request, { from, token: 'x', proof: 'password' }), { code: 2, err: /leave out --proof/ })
})
