import t from 'tap'
import { userApprovals, userSettle } from '../../src/cli/commands/user/approval.js'
import { prove } from '../support/at-desk.js'
import { codeAt } from '../support/authenticator-app.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { runCommand } from '../support/run-command.js'
import type { Visitor } from '../support/visitor.js'

t.setTimeout(120_000)

/** B15: what a user sets up counts when an owner has approved it. */

const start = 1_763_000_000_000
const waiting = '/.gatelodge/enrol/waiting'

async function gateway(t: Parameters<typeof startHouse>[0], more = '', desk = '') {
  const clock = { ms: start }
  const yaml = `
publicUrl: http://localhost:8080
sites: [{ upstream: "http://127.0.0.1:1", rules: [{ path: /open/**, access: password }] }]
secondFactor: { approval: owner, methods: [{ use: totp }]${more} }
${desk}`
  return { clock, core: await startHouse(t, { yaml, now: () => clock.ms }) }
}

/** Sets an authenticator app up, as far as it goes. @returns its key, and where the visitor ends */
async function setUp(visitor: Visitor, at: number) {
  const page = await visitor.get('/.gatelodge/enrol/totp')
  const key = /data-copy="([^"]+)"/.exec(page.text)?.[1] ?? ''
  const done = await visitor.fillIn('/.gatelodge/enrol/totp', { code: codeAt(key, at) }, '/enrol/totp')
  return { key, ...done }
}

const accountOf = async ({ core }: OpenHouse, name: string) => {
  const [user] = await core.directory.find({ username: name })
  const account = await core.identity.accounts.find(user?.id ?? '')
  if (account === undefined) throw new Error(`${name} has no account`)
  return account
}

t.test('who has to have a second factor stays outside until an owner approves it', async (t) => {
  const { core, clock } = await gateway(t, ', required: everyone')
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('bob')
  const olga = core.visitor()
  await signIn(olga, 'olga')
  const first = await setUp(olga, clock.ms)
  t.notMatch(first.location, waiting, 'nobody could approve what the first owner sets up: it counts at once')
  t.equal((await accountOf(core, 'olga')).enrolled.length, 1)

  const bob = core.visitor()
  t.match((await signIn(bob, 'bob')).location, '/.gatelodge/enrol')
  const held = await setUp(bob, clock.ms)
  t.match([held.status, held.location], [303, new RegExp(waiting)])
  t.same([...bob.cookies.keys()], [], 'it opened no session, and the sign-in is used up')
  t.match((await bob.get(held.location ?? '')).text, /counts as soon as an owner/)
  t.same((await accountOf(core, 'bob')).enrolled, [])
  t.match((await bob.get('/')).location, /sign-in/)

  t.match((await signIn(bob, 'bob')).location, '/.gatelodge/enrol')
  t.match(await bob.get('/.gatelodge/enrol'), { status: 200, text: /Authenticator app.*waits for an owner/s })
  t.match((await bob.get('/.gatelodge/enrol/totp')).location, /enrol$/, 'nor is another one set up meanwhile')
  t.equal(await core.core.identity.signIn.beginEnrolment(bob.cookies.get('gatelodge-pending'), 'totp'), undefined)

  const page = await olga.get('/.gatelodge/admin/approvals')
  t.match(page.text, /Approve bob/)
  const asked = await olga.fillIn('/.gatelodge/admin/approvals', {}, 'user.approve')
  const code = () => {
    clock.ms += 30_000
    return codeAt(first.key, clock.ms)
  }
  const { status, location } = await prove({ visitor: olga, code }, asked)
  t.match([status, location], [303, /done=user\.approve$/])
  t.match((await bob.get('/.gatelodge/enrol')).status, 303, 'what was begun before it counted is over')
  clock.ms += 60_000
  const again = core.visitor()
  t.match((await signIn(again, 'bob')).location, '/.gatelodge/verify')
  const bobs = codeAt(held.key, clock.ms)
  t.match(await again.fillIn('/.gatelodge/verify', { code: bobs }, '/verify'), { status: 303, location: '/' })
  t.match((await olga.get('/.gatelodge/admin/approvals')).text, /Nobody waits/)
  const entries = await core.core.audit.since(0)
  t.match(
    entries
      .filter(({ event }) => /^(factor\.enrolled|admin\.factor)/.test(event))
      .map(({ event, outcome }) => `${event} ${outcome}`),
    [
      'factor.enrolled success',
      'factor.enrolled intended',
      'admin.factor-approved intended',
      'factor.enrolled success',
      'admin.factor-approved success',
    ],
  )
})

t.test('what was refused is forgotten, and what the account outlived can be approved by nobody', async (t) => {
  const { core, clock } = await gateway(t, ', required: everyone')
  const { desk, identity } = core.core
  await core.addUser('bob')
  const run = (how: 'approve' | 'refuse') => runCommand((terminal) => userSettle({ desk }, terminal, 'bob', how))
  const listed = async () => (await runCommand((terminal) => userApprovals({ desk }, terminal))).out
  const hold = async () => {
    const bob = core.visitor()
    await signIn(bob, 'bob')
    clock.ms += 60_000
    t.match((await setUp(bob, clock.ms)).location, new RegExp(waiting))
  }
  t.equal(await listed(), 'Nobody waits.\n')
  await hold()
  t.match(await listed(), /^bob +totp +20/m)
  t.match(await run('refuse'), { code: 0, out: /forgotten/ })
  t.match(await run('approve'), { code: 1, err: /Nothing of bob waits/ })
  t.same(await core.core.store.list('enrolment/'), [])

  await hold()
  const { id } = await accountOf(core, 'bob')
  await identity.sessions.endAll(id, {})
  t.match(await run('approve'), { code: 1, err: /Nothing of bob waits/ }, 'what ended the sessions ended it')
  t.equal(await listed(), 'Nobody waits.\n')

  await hold()
  await identity.enrolments.reset(id)
  t.match(await run('approve'), { code: 1 })
  await hold()
  const both = await Promise.all([run('approve'), run('approve'), run('refuse')])
  t.equal(both.filter(({ code }) => code === 0).length, 1, 'one word counts')
})

t.test('a second owner waits for the first, and nobody approves their own', async (t) => {
  // Where the desk opens to owners whose second factor does not count yet.
  const { core, clock } = await gateway(t, '', 'administration: { secondFactor: when-enabled }\n')
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('otto', { role: 'owner' })
  const [olga, otto] = [core.visitor(), core.visitor()]
  await signIn(olga, 'olga')
  await setUp(olga, clock.ms)
  t.equal((await accountOf(core, 'olga')).enrolled.length, 1)
  await signIn(otto, 'otto', '/open/x')
  const held = await setUp(otto, clock.ms)
  t.match(held.location, new RegExp(waiting))
  t.same((await accountOf(core, 'otto')).enrolled, [])
  t.match((await otto.get('/.gatelodge/account/methods')).text, /counts when an owner/, 'the session goes on')
  const page = await otto.get('/.gatelodge/admin/approvals')
  t.notMatch(page.text, /Approve otto/)
  const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  const { id } = await accountOf(core, 'otto')
  t.equal((await otto.post('/.gatelodge/admin/do/user.approve', { token, user: id })).status, 403)
})
