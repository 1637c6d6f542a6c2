import t from 'tap'
import { tokensIssue, tokensList, tokensRevoke } from '../../src/cli/commands/tokens.js'
import { add, services } from '../support/core.js'
import { runCommand as run } from '../support/run-command.js'

t.test('a token is issued, listed and revoked', async (t) => {
  const r = await services(t)
  await add(r, 'ann')
  const core = { ...r, now: r.clock.now, config: { sites: [{ host: 'crm.example.com' }] } }
  const options = {
    name: 'nightly import',
    site: ['CRM.example.com:443', 'wiki.example.com'],
    method: ['get', 'POST'],
    path: ['/api/**'],
    from: ['203.0.113.0/24'],
    expires: '1d',
    rate: '60/m',
  }
  const issued = await run((terminal) => tokensIssue(core, terminal, 'ANN', options))
  t.equal(issued.code, 0)
  t.match(issued.out, /^glt_[0-9A-Za-z]{61}\n$/, 'the token alone, for scripts')
  t.match(
    issued.err,
    /^Token \w{12} of ann, until 2025-.*: crm\.example\.com wiki\.example\.com GET POST \/api\/\*\* from/,
  )
  t.match(issued.err, /Note: no site of the configuration has the host wiki\.example\.com\./)
  t.notMatch(issued.err, issued.out.trim())

  const listed = await run((terminal) => tokensList(core, terminal, { name: 'ann', json: true }))
  const [row] = JSON.parse(listed.out) as Array<Record<string, unknown>>
  t.match(row, { username: 'ann', name: 'nightly import', status: 'active', rate: '60/60s', methods: ['GET', 'POST'] })
  t.notMatch(listed.out, issued.out.trim().slice(16))
  r.clock.forward(86_400)
  t.match(await run((terminal) => tokensList(core, terminal)), { code: 0, out: /expired.*never/ })

  const id = String(row?.['id'])
  t.match(await run((terminal) => tokensRevoke(r, terminal, id)), { code: 0, out: /nothing any more/ })
  t.match(await run((terminal) => tokensRevoke(r, terminal, id)), { code: 1, err: /no token/ })
  t.match(await run((terminal) => tokensList(core, terminal)), { code: 0, out: /no app tokens/ })
})

t.test('in JSON the token comes with what it is for, and one for the management says so', async (t) => {
  const r = await services(t)
  await add(r, 'ann')
  const core = { ...r, now: r.clock.now }
  const { out } = await run((terminal) => tokensIssue(core, terminal, 'ann', { admin: true, json: true }))
  t.match(JSON.parse(out), { token: /^glt_/, id: String, username: 'ann', admin: true, status: 'active' })
  const listed = await run((terminal) => tokensList(core, terminal))
  t.match(listed.out, / management\n$/)
  t.notMatch(listed.out, /every site/)
})

t.test('what cannot be a token is said, and none is issued', async (t) => {
  const r = await services(t)
  await add(r, 'ann')
  const gone = await add(r, 'gone')
  await r.accounts.deactivate(gone.id)
  const core = { ...r, now: r.clock.now }
  const faults: ReadonlyArray<readonly [string, object, number, RegExp]> = [
    ['nobody', {}, 1, /no user/],
    ['gone', {}, 1, /not active/],
    ['ann', { path: ['api'] }, 2, /starts with "\/"/],
    ['ann', { from: ['10.0.0.1/8'] }, 2, /write 10\.0\.0\.0\/8/],
    ['ann', { expires: 'tomorrow' }, 2, /90d/],
    ['ann', { rate: 'often' }, 2, /60\/m/],
    ['ann', { rate: '0/m' }, 2, /60\/m/],
    ['ann', { site: ['https://crm.example.com/'] }, 2, /host name/],
    ['ann', { method: ['GET /'] }, 2, /method/],
    ['ann', { name: 'two\nlines' }, 2, /one line/],
  ]
  for (const [name, options, code, words] of faults) {
    const said = await run((terminal) => tokensIssue(core, terminal, name, options))
    t.equal(said.code, code, said.err)
    t.match(said.err, words)
    t.equal(said.out, '')
  }
  t.same(await r.tokens.list(), [])
})
