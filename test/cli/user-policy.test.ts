import t from 'tap'
import { userAddresses, userExempt, userMethods, userRequire } from '../../src/cli/commands/user/policy.js'
import { userList, userShow } from '../../src/cli/commands/user/user.js'
import { Operations } from '../../src/operations/operations.js'
import { add, START, services } from '../support/core.js'
import { runCommand as run } from '../support/run-command.js'

async function office(t: Parameters<typeof services>[0]) {
  const r = await services(t)
  const secondFactors = new Map([
    ['totp', {}],
    ['sms', {}],
    ['email', {}],
  ]) as never
  const config = { sites: [{ host: 'crm.example.com' }, { host: '[2001:db8::1]' }, {}] }
  const desk = new Operations({ ...r.desk.services, secondFactors })
  return { ...r, desk, secondFactors, config, now: r.clock.now }
}

t.test('what is ordered for one user is kept, said, shown and audited', async (t) => {
  const r = await office(t)
  const { id } = await add(r, 'ann')
  const kept = () => r.accounts.find(id)

  t.match(await run((terminal) => userRequire(r, terminal, 'Ann')), { code: 0, out: /required of ann/ })
  t.match(await kept(), { required: true })

  const exempt = { reason: ' a screen reader ', site: ['CRM.example.com:443'], network: ['10.0.0.0/8'], for: '30d' }
  const said = await run((terminal) => userExempt(r, terminal, 'ann', exempt))
  t.match(said, {
    code: 0,
    out: 'ann need not give a second factor: a screen reader (crm.example.com, 10.0.0.0/8), until',
  })
  const until = START + 30 * 24 * 3_600_000
  t.same((await kept())?.exemption, {
    reason: 'a screen reader',
    sites: ['crm.example.com'],
    networks: ['10.0.0.0/8'],
    until,
  })
  const ranges = ['203.0.113.0/24', '2001:db8::/32']
  t.match(await run((terminal) => userAddresses(r, terminal, 'ann', ranges)), { code: 0, out: /2001:db8::\/32 only/ })
  t.same((await kept())?.addresses, ranges)
  const off = { off: ['sms', 'totp'] }
  t.match(await run((terminal) => userMethods(r, terminal, 'ann', off)), { code: 0, out: /may not use sms, totp/ })
  const on = { on: ['totp'] }
  t.match(await run((terminal) => userMethods(r, terminal, 'ann', on)), { code: 0, out: /may not use sms,/ })

  const shown = await run((terminal) => userShow(r, terminal, 'ann'))
  t.match(shown.out, 'a second factor is required of this user')
  t.match(shown.out, 'exempt from the second factor: a screen reader (crm.example.com, 10.0.0.0/8), until 2025-12-')
  t.match(shown.out, 'may come from 203.0.113.0/24, 2001:db8::/32 only')
  t.match(shown.out, 'methods switched off: sms')
  t.match(JSON.parse((await run((terminal) => userShow(r, terminal, 'ann', { json: true }))).out), {
    required: true,
    exemption: { reason: 'a screen reader', until: new Date(until).toISOString() },
    addresses: ranges,
    methodsOff: ['sms'],
  })
  t.match((await run((terminal) => userList(r, terminal))).out, 'required,exempt,addresses,methods')

  const events = await r.audit.recent(id, 20)
  t.same(
    events.filter(({ event }) => event === 'policy.changed').map(({ details }) => details?.['what']),
    ['methods', 'methods', 'addresses', 'exemption', 'required'],
  )
  t.match(
    events.find(({ details }) => details?.['what'] === 'exemption'),
    { username: 'ann', by: 'command-line', details: { reason: 'a screen reader', networks: ['10.0.0.0/8'] } },
  )

  t.match(await run((terminal) => userRequire(r, terminal, 'ann', { off: true })), { code: 0 })
  t.match(await run((terminal) => userExempt(r, terminal, 'ann', { off: true })), { code: 0, out: /no longer exempt/ })
  t.match(await run((terminal) => userAddresses(r, terminal, 'ann', [], { any: true })), { code: 0, out: /anywhere/ })
  t.match(await run((terminal) => userMethods(r, terminal, 'ann', { on: ['sms'] })), { code: 0, out: /every method/ })
  const now = await kept()
  t.match(now, { required: false })
  for (const key of ['exemption', 'addresses', 'methodsOff']) t.notOk(now && key in now, key)
})

t.test('what cannot be meant is refused, and changes nothing', async (t) => {
  const r = await office(t)
  const { id } = await add(r, 'ann')
  const before = await r.accounts.find(id)
  const reason = 'because'
  for (const [options, words] of [
    [{}, /Say why/],
    [{ reason: ' ' }, /Say why/],
    [{ off: true, reason }, /goes with nothing else/],
    [{ reason, site: ['wiki.example.com'] }, /no site with the host "wiki.example.com": there are crm\.example\.com/],
    [{ reason, network: ['10.0.0.1/8'] }, /"10.0.0.1\/8" is no network: .*write 10.0.0.0\/8/],
    [{ reason, for: '30d', until: '2030-01-01' }, /ends once/],
    [{ reason, for: '30' }, /30d/],
    [{ reason, until: 'tomorrow' }, /a day or a moment/],
    [{ reason, until: '2026-02-30' }, /a day or a moment/],
    [{ reason, until: '2026-02-01T18:00' }, /a day or a moment/],
    [{ reason, until: '2020-01-01' }, /over already/],
  ] as const) {
    t.match(await run((terminal) => userExempt(r, terminal, 'ann', options)), { code: 2, out: '', err: words })
  }
  for (const [ranges, any, words] of [
    [[], false, /Name the networks/],
    [['10.0.0.0/8'], true, /Name the networks/],
    [['10.0.0.0/33'], false, /no network/],
  ] as const) {
    t.match(await run((terminal) => userAddresses(r, terminal, 'ann', ranges, { any })), { code: 2, err: words })
  }
  for (const [options, words] of [
    [{}, /Say which/],
    [{ off: ['smss'] }, /no method "smss": there are totp, sms, email/],
    [{ off: ['sms'], on: ['sms'] }, /off and on at once/],
  ] as const) {
    t.match(await run((terminal) => userMethods(r, terminal, 'ann', options)), { code: 2, err: words })
  }
  t.match(await run((terminal) => userRequire(r, terminal, 'bob')), { code: 1, err: /no user "bob"/ })
  t.same(await r.accounts.find(id), before)
  t.same(
    (await r.audit.recent(id, 20)).filter(({ event }) => event === 'policy.changed'),
    [],
  )
})

t.test('an end is a day, which counts to its end in UTC, or a moment', async (t) => {
  const r = await office(t)
  const { id } = await add(r, 'ann')
  for (const [until, end] of [
    ['2026-12-31', Date.UTC(2027, 0, 1)],
    ['2026-12-31T18:00Z', Date.UTC(2026, 11, 31, 18)],
    ['2026-12-31T18:00:30+02:00', Date.UTC(2026, 11, 31, 16, 0, 30)],
  ] as const) {
    t.equal((await run((terminal) => userExempt(r, terminal, 'ann', { reason: 'x', until }))).code, 0)
    t.equal((await r.accounts.find(id))?.exemption?.until, end, until)
  }
})
