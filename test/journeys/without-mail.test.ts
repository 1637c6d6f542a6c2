import t from 'tap'
import { AheadClock, seat } from '../support/at-desk.js'
import { freePort } from '../support/free-port.js'
import { type OpenHouse, startHouse } from '../support/house.js'
import { formOf, type Visitor } from '../support/visitor.js'

t.setTimeout(120_000)

/** Where no mail is configured, nothing speaks as if it were, and people get in all the same. */

const desk = '/.gatelodge/admin'

async function open(t: Parameters<typeof startHouse>[0], more = '') {
  const clock = new AheadClock()
  const gateway = await startHouse(t, {
    yaml: `publicUrl: http://localhost:8080\nsites: [{ host: crm.example.com, upstream: "http://127.0.0.1:1" }]\n${more}`,
    now: clock.now,
  })
  await gateway.addUser('olga', { role: 'owner' })
  return { gateway, olga: (await seat(gateway, 'olga', clock)).visitor }
}

async function idOf({ core }: OpenHouse, username: string): Promise<string> {
  const [user] = await core.directory.find({ username })
  return user?.id ?? ''
}

/** Presses the one button of a form at the desk. */
async function press(visitor: Visitor, page: string, operation: string, fields: Readonly<Record<string, string>> = {}) {
  const form = formOf((await visitor.get(page)).text, `/admin/do/${operation}`)
  return visitor.post(`${desk}/do/${operation}`, { ...form.fields, ...fields })
}

t.test('a user is added without mail: a link is handed over, once, and lets them in', async (t) => {
  const { gateway, olga } = await open(t)
  const form = await olga.get(`${desk}/users/new`)
  t.match(form.text, 'No mail is configured, so you hand the link over')
  t.notMatch(form.text, 'name="invite"')
  const asked = await press(olga, `${desk}/users/new`, 'user.add', { username: 'ben', invite: 'yes' })
  t.equal(asked.status, 409, 'and one that insists is told')
  t.match(asked.text, 'No mail is configured')
  t.same(await gateway.core.directory.find({ username: 'ben' }), [], 'nobody was added')

  const added = await press(olga, `${desk}/users/new`, 'user.add', { username: 'ben' })
  const page = added.location ?? ''
  t.match(page, /\/admin\/users\/[^/]+\?done=user\.add$/)
  const shown = await olga.get(page)
  t.match(shown.text, 'has no password and has not come in yet. No mail can go to them')
  t.notMatch(shown.text, 'Mail a login link')
  t.notMatch(shown.text, 'Write a message')
  t.notMatch((await olga.get(`${desk}/sending`)).text, 'Mail me a test')

  const linkOf = (text: string) =>
    /https?:\/\/[^<"]*(\/\.gatelodge\/link[^<"]*)/.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const first = linkOf((await press(olga, page, 'user.invite-link')).text)
  const link = linkOf((await press(olga, page, 'user.invite-link')).text)
  t.ok(link !== '' && link !== first)
  const entries = await gateway.core.audit.since(0, 5000)
  t.equal(entries.filter(({ event }) => event === 'admin.invite-link').length, 4, 'intended and done, twice')
  t.notOk(JSON.stringify(entries).includes(link.slice(-20)), 'the link is in no record')

  const stranger = gateway.visitor()
  await stranger.fillIn(first, {}, '/link')
  t.notOk(stranger.cookies.has('gatelodge'), 'the one before is over')
  const ben = gateway.visitor()
  const landed = await ben.fillIn(link, {}, '/link')
  t.ok(ben.cookies.has('gatelodge'), `${landed.status} ${landed.location}`)
  t.equal((await ben.get('/.gatelodge/account')).status, 200)

  t.notMatch((await olga.get(page)).text, 'has not come in yet')
  const id = await idOf(gateway, 'ben')
  const token = formOf((await olga.get(page)).text, '/admin/do/session.end').fields['token'] ?? ''
  const late = await olga.post(`${desk}/do/user.invite-link`, { token, user: id })
  t.equal(late.status, 409, 'for whoever was here nobody makes one: it would open their account')
  const owners = await gateway.core.identity.accounts.find(id)
  t.equal(owners?.isInvited, undefined)
})

t.test('nobody is handed a link to an account with a password', async (t) => {
  const { gateway, olga } = await open(t)
  const ann = await gateway.addUser('ann')
  const page = `${desk}/users/${ann}`
  const { text } = await olga.get(page)
  t.notMatch(text, 'invitation link')
  const token = formOf(text, '/admin/do/session.end').fields['token'] ?? ''
  t.equal((await olga.post(`${desk}/do/user.invite-link`, { token, user: ann })).status, 409)
})

t.test('a way that leads nowhere is not shown', async (t) => {
  const { gateway } = await open(t)
  t.notMatch((await gateway.visitor().get('/.gatelodge/sign-in')).text, 'Forgot')
  const mailing = await open(t, 'mail: { use: outbox }')
  t.match((await mailing.gateway.visitor().get('/.gatelodge/sign-in')).text, 'Forgot')
})

t.test('an invitation that the mail server did not take is told as such', async (t) => {
  const { olga } = await open(
    t,
    `mail: { use: smtp, url: "smtp://127.0.0.1:${await freePort()}", from: gate@example.com }`,
  )
  const added = await press(olga, `${desk}/users/new`, 'user.add', {
    username: 'ben',
    email: 'ben@example.com',
    invite: 'yes',
  })
  t.match(added.location, /done=user\.add\.not-sent$/)
  const page = await olga.get(added.location ?? '')
  t.match(page.text, 'but the mail with the link did not go')
  t.match(page.text, 'Make an invitation link')
})
