import t from 'tap'
import outbox from '../../plugins/mail-transports/outbox.js'
import type { MailTransport } from '../../src/contracts.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { changeUser } from '../../src/operations/users/change.js'
import { add, open, type Rooms, services, tryPassword } from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }

async function withMail(t: Parameters<typeof services>[0]): Promise<{ r: Rooms; mail: MailTransport }> {
  const mail = await build(outbox, {}, lentHost())
  return { r: await services(t, { mail }), mail }
}

const sentTo = async ({ r, mail }: { r: Rooms; mail: MailTransport }) => {
  await r.settled()
  await r.messages.settled()
  return ((await mail.kept?.()) ?? []).map(({ to, subject }) => `${to}: ${subject}`)
}

t.test(
  'an owner changes addresses, name and groups; the user hears of it at the old address and the new one',
  async (t) => {
    const core = await withMail(t)
    const { r } = core
    const bob = await add(r, 'bob', { email: 'bob@example.com', groups: ['staff'] })
    const token = await open(r, 'bob')
    const named = await r.desk.run(changeUser, { user: 'bob', displayName: 'Bob Jones' }, shell)
    t.match(named, { username: 'bob', displayName: 'Bob Jones', email: 'bob@example.com' })
    t.ok(await r.sessions.find(token), 'a name ends nothing')
    const changed = await r.desk.run(
      changeUser,
      { user: 'bob', email: 'robert@example.com', mobile: '+1 202-555-0143', groups: ['board'] },
      shell,
    )
    t.match(changed, {
      email: 'robert@example.com',
      mobile: '+12025550143',
      groups: ['board'],
      displayName: 'Bob Jones',
    })
    t.match(await r.directory.find({ email: 'robert@example.com' }), [{ id: bob.id, groups: ['board'] }])
    t.same(await r.directory.find({ email: 'bob@example.com' }), [])
    t.equal(await r.sessions.find(token), undefined, 'what was open by the old address has ended')
    t.match(await tryPassword(r, 'bob'), { outcome: 'session' }, 'the password is as it was')
    const mails = await sentTo(core)
    t.equal(mails.filter((one) => /^bob@example.com: Your contact details were changed/.test(one)).length, 1)
    t.equal(mails.filter((one) => /^robert@example.com: Your contact details were changed/.test(one)).length, 1)
    t.equal(mails.filter((one) => /^bob@example.com: Your account was changed/.test(one)).length, 1)
    const [entry] = (await r.audit.recent(bob.id, 50)).filter(({ event, outcome }) => {
      return event === 'admin.user-changed' && outcome === 'success'
    })
    t.match(entry, { by: 'command-line', details: { changed: ['email', 'mobile', 'groups'], groups: ['board'] } })
    t.notMatch(JSON.stringify(entry), 'robert@example.com', 'the audit has no addresses')
  },
)

t.test('groups that changed hold from the next request on: sessions with the old ones end', async (t) => {
  const { r } = await withMail(t)
  await add(r, 'bob', { groups: ['staff', 'board'] })
  const token = await open(r, 'bob')
  r.clock.forward(1)
  t.match(await r.desk.run(changeUser, { user: 'bob', groups: ['staff'] }, shell), { groups: ['staff'] })
  t.equal(await r.sessions.find(token), undefined)
})

t.test('what was on file can be removed', async (t) => {
  const { r } = await withMail(t)
  await add(r, 'bob', { email: 'bob@example.com', mobile: '+12025550143' })
  const removed = await r.desk.run(changeUser, { user: 'bob', remove: ['email', 'mobile'] }, shell)
  t.notOk(removed instanceof Refusal)
  t.notOk('email' in removed || 'mobile' in removed)
  t.same(await r.directory.find({ email: 'bob@example.com' }), [])
  t.match(await tryPassword(r, 'bob'), { outcome: 'session' })
})

t.test('what a form says again is left as it is, whatever it looks like', async (t) => {
  const { r } = await withMail(t)
  await add(r, 'bob', { mobile: '+15550100' })
  const again = { user: 'bob', mobile: '+15550100', groups: [], displayName: 'Bob' }
  t.match(await r.desk.run(changeUser, again, shell), { mobile: '+15550100', displayName: 'Bob' })
})

t.test('what is no address, no number, no change, or both at once is refused', async (t) => {
  const { r } = await withMail(t)
  await add(r, 'bob', { email: 'bob@example.com' })
  for (const [input, sentence] of [
    [{ email: 'a@example.com, b@example.com' }, /not one mail address/],
    [{ mobile: '0301234' }, /country code/],
    [{ email: 'bob@example.com' }, /how it is already/],
    [{}, /how it is already/],
    [{ email: 'x@example.com', remove: ['email'] }, /not both/],
    [{ displayName: 'a\u0000b' }, /visible characters/],
    [{ password: 'something quite long' }, /password/],
  ] as const) {
    t.match(await r.desk.run(changeUser, { user: 'bob', ...input }, shell), { sentence }, JSON.stringify(input))
  }
})

t.test('a number that sign-in codes go to is not taken away', async (t) => {
  const { r } = await withMail(t)
  const bob = await add(r, 'bob', { mobile: '+12025550143' })
  const sms = {
    label: 'Text message',
    sends: 'code' as const,
    address: ({ mobile }: { mobile?: string }) => (mobile?.startsWith('+1') ? mobile : undefined),
    send: async () => undefined,
  }
  const { desk } = r
  Object.assign(desk.services, { secondFactors: new Map([['sms', sms]]) })
  await r.accounts.change(bob.id, (account) => ({ ...account, enrolled: [{ id: 'x', method: 'sms' }] }))
  t.match(await desk.run(changeUser, { user: 'bob', remove: ['mobile'] }, shell), {
    sentence: /reset the second factor/,
  })
  t.match(await desk.run(changeUser, { user: 'bob', mobile: '+4915112345678' }, shell), {
    sentence: /reset the second/,
  })
  t.match(await desk.run(changeUser, { user: 'bob', mobile: '+12025550199' }, shell), { mobile: '+12025550199' })
})
