import t from 'tap'
import { Audit, type AuditEntry } from '../../src/audit/audit.js'
import { OutDelivery } from '../../src/audit/out-delivery.js'
import { OwnerMails } from '../../src/messages/owner-mails.js'
import { Clock, emptyStore } from '../support/core.js'
import { lentHost } from '../support/lent-host.js'
import { until } from '../support/poll.js'

interface Told {
  readonly title: string
  readonly lines: readonly string[]
  readonly more: number
}

t.test('owners are told at once, then every ten minutes at most, and everything there was', async (t) => {
  const clock = new Clock()
  const { now } = clock
  const store = await emptyStore(t, clock)
  const { log } = lentHost()
  const audit = new Audit({ store, log, now })
  const told: Told[] = []
  let isBroken = false
  const ownerAlert = async ({ username }: { username: string }, values: Told) => {
    if (username === 'ada' && !isBroken) told.push(values)
    return !isBroken
  }
  const owners = async () => [{ username: 'ada', email: 'ada@example.com' }, { username: 'bob' }]
  /** Nobody is in the middle of something that a clock that jumps would give to another. */
  const settled = () =>
    until('all to be taken', async () => (await store.get('audit-out/owner-mails')) === (await audit.count()))
  // Two gateways, of which each looks whether something waits.
  for (let gateway = 0; gateway < 2; gateway++) {
    const mails = new OwnerMails({ store, messages: { ownerAlert }, owners, log, now, everyMs: 10 })
    const follower = new OutDelivery({ store, audit, out: mails, log, now, machine: 'here', everyMs: 10 })
    await follower.start()
    t.teardown(async () => {
      await follower.close()
      await mails.close()
    })
  }
  const policy: AuditEntry = {
    event: 'policy.changed',
    outcome: 'success',
    username: 'ada',
    details: { key: 'networks' },
  }
  await audit.record(policy)
  await until('the first mail', () => told.length === 1)
  t.match(told, [{ title: /Policy/, lines: [/^\d{4}-\d\d-\d\d \d\d:\d\d UTC: networks, by ada$/], more: 0 }])

  for (let index = 0; index < 25; index++) await audit.record({ ...policy, details: { key: `key-${index}` } })
  await audit.record({ event: 'sign-in.password', outcome: 'refused' })
  await audit.record({
    event: 'throttle.on',
    outcome: 'success',
    nameHash: 'x',
    details: { budget: 'password', seconds: 4 },
  })
  await audit.record({
    event: 'throttle.on',
    outcome: 'success',
    username: 'cy',
    details: { budget: 'second-factor', seconds: 900 },
  })
  await until('the lockout', () => told.length === 2)
  t.match(told[1], { title: /locked/, lines: [/cy, for 15 minutes \(second-factor\)/] })
  await settled()
  clock.forward(9 * 60)
  await audit.record({
    event: 'throttle.on',
    outcome: 'refused',
    reason: 'whole-day budget',
    details: { channel: 'sms' },
  })
  await until('the budget', () => told.length === 3)
  t.match(told[2], { lines: [/sms: whole-day budget/] }, 'and nothing about policy in between')
  await settled()
  clock.forward(61)
  await until('the rest about policy', () => told.length === 4)
  t.match(told[3], { title: /Policy/, more: 5 })
  t.equal(told[3]?.lines.length, 20)

  isBroken = true
  await settled()
  clock.forward(601)
  await audit.record({ event: 'dependency.down', outcome: 'refused', details: { dependency: 'mail' } })
  await audit.record({ event: 'admin.user-added', outcome: 'success', username: 'dora', details: { role: 'user' } })
  await audit.record({
    event: 'admin.user-added',
    outcome: 'success',
    username: 'eve',
    by: 'ada',
    details: { role: 'owner' },
  })
  const waits = async (kind: string) => {
    const kept = (await store.get(`audit-mail/${kind}`)) as { sentAt: number; lines: string[] } | undefined
    return kept !== undefined && kept.sentAt > 0 && kept.lines.length > 0
  }
  await until('what was not sent to wait again', async () => (await waits('dependencies')) && (await waits('owners')))
  isBroken = false
  await settled()
  clock.forward(601)
  await until('both', () => told.length === 6)
  t.match(
    told
      .slice(4)
      .flatMap(({ lines }) => lines)
      .sort()
      .join('\n'),
    /eve \(admin\.user-added, ada\)|mail does not answer/,
  )
})
