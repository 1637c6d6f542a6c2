import t, { type Test } from 'tap'
import { nameHash } from '../../src/identity/store/name-hash.js'
import { listLocks, unlockUser } from '../../src/operations/locks.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { Clock } from '../support/core.js'
import { type OpenHouse, startHouse } from '../support/house.js'
import { type ArrivedMail, MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import type { Answer, Visitor } from '../support/visitor.js'

/**
 * Attack: somebody who knows a name tries a password every quarter of an hour, for weeks. NIST SP 800-63B-4 (3.2.2) allows
 * no more than a hundred failures in a row on one account; and whom the name belongs to must not be kept out by it.
 */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }
const password = 'a lamp over the lodge gate'

interface Lodge extends OpenHouse {
  readonly clock: Clock
  readonly mails: readonly ArrivedMail[]
}

async function openLodge(t: Test): Promise<Lodge> {
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const clock = new Clock()
  const yaml = `
trustedProxies: [127.0.0.1/32, "::1/128"]
sites: [{ upstream: http://127.0.0.1:1 }]
mail: { use: smtp, url: "${mail.url}", from: no-reply@example.com }
`
  const core = await startHouse(t, { yaml, now: clock.now })
  await core.addUser('bob', { email: 'bob@example.com' })
  return { ...core, clock, mails: mail.arrived }
}

let strangers = 0

/** A name and a password, from a browser with these cookies and an address nobody came from before. */
async function tryIn({ visitor }: Lodge, username: string, typed: string, by: Visitor = visitor()): Promise<Answer> {
  strangers += 1
  const headers = { 'x-forwarded-for': `10.1.${strangers >> 8}.${strangers & 255}` }
  const page = await by.get('/.gatelodge/sign-in', { headers })
  const [, token = ''] = /name="token" value="([^"]*)"/.exec(page.text) ?? []
  return by.post('/.gatelodge/sign-in', { token, username, password: typed, return: '/' }, { headers })
}

/** As many wrong ones from strangers, each when the delay of the last is over. The last few through the door. */
async function fail(lodge: Lodge, username: string, times: number, deviceId?: string): Promise<void> {
  const own = deviceId === undefined ? {} : { deviceId }
  for (let n = 0; n < times; n += 1) {
    lodge.clock.forward(15 * 60)
    const attempt = { nameHash: nameHash(username), network: `192.0.2.${n}`, ...own }
    const spend = await lodge.core.identity.attempts.spendPassword(attempt)
    if (!spend.allowed) throw new Error(`try ${n} was not judged`)
  }
}

async function lock(lodge: Lodge, username: string): Promise<Answer> {
  await fail(lodge, username, 99)
  lodge.clock.forward(15 * 60)
  const last = await tryIn(lodge, username, 'not the one')
  if (last.status !== 422) throw new Error(`the hundredth try got ${last.status}`)
  lodge.clock.forward(15 * 60)
  return tryIn(lodge, username, password)
}

async function locks({ core }: Lodge) {
  const found = await core.desk.run(listLocks, {}, shell)
  if (found instanceof Refusal) throw new Error(found.sentence)
  return found.items
}

async function eventsOf({ core }: Lodge, event: string) {
  const entries = await core.audit.since(0, 10_000)
  return entries.filter((entry) => entry.event === event).map(({ username, details }) => ({ username, details }))
}

/** What differs for any two requests is put aside. */
function essence({ status, headers, text }: Answer, username: string): string {
  const { date: _, 'set-cookie': __, ...rest } = headers
  return JSON.stringify([status, rest, text.replaceAll(username, 'NAME').replace(/value="[^"]*"/g, '')])
}

t.test(
  'after a hundred in a row no password of the name is judged in strangers’ browsers, whether it is somebody’s or not',
  async (t) => {
    const lodge = await openLodge(t)
    const bobs = await lock(lodge, 'bob')
    const nobodys = await lock(lodge, 'zoe')
    t.equal(bobs.status, 429)
    t.match(bobs.text, 'No password is taken here for now')
    t.match(bobs.text, /href="\/\.gatelodge\/help/)
    t.equal(bobs.headers['retry-after'], undefined, 'waiting does not help')
    t.equal(essence(bobs, 'bob'), essence(nobodys, 'zoe'))
    lodge.clock.forward(300 * 24 * 3600)
    t.equal((await tryIn(lodge, 'bob', password)).status, 429, 'months later as well')
    t.equal((await tryIn(lodge, 'BOB', password)).status, 429, 'however it is written')

    const mail = await until('the mail', () => lodge.mails.find(({ email }) => /are locked/.test(email.subject ?? '')))
    t.same(mail.envelope.to, ['bob@example.com'])
    t.match(mail.email.text, '/.gatelodge/help')
    t.match(await locks(lodge), [{ kind: 'password', username: 'bob', secondsLeft: undefined }], 'nobody is not listed')
    const throttles = await eventsOf(lodge, 'throttle.on')
    t.same(
      throttles.filter(({ details }) => details?.['until'] === 'link-or-support').map(({ username }) => username),
      ['bob', undefined],
    )
  },
)

t.test('a known browser is never slowed by strangers, and its sign-ins give them no new guesses', async (t) => {
  const lodge = await openLodge(t)
  const home = lodge.visitor()
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 303)
  t.ok(home.cookies.has('gatelodge-browser'))
  await fail(lodge, 'bob', 40)
  t.equal((await tryIn(lodge, 'bob', password)).status, 429, 'a stranger waits')
  home.cookies.delete('gatelodge')
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 303, 'and the user does not')

  await fail(lodge, 'bob', 59)
  lodge.clock.forward(15 * 60)
  t.equal((await tryIn(lodge, 'bob', 'not the one')).status, 422, 'the hundredth')
  home.cookies.delete('gatelodge')
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 303)
  t.match(await (await tryIn(lodge, 'bob', password)).text, 'No password is taken here for now', 'strangers stay out')

  const other = lodge.visitor()
  const [id = '', ...macs] = (home.cookies.get('gatelodge-browser') ?? '').split('.')
  for (const mark of [
    id,
    `${id}.${'A'.repeat(22)}`,
    `${'A'.repeat(22)}.${macs.join('.')}`,
    'x'.repeat(5000),
    '.',
    '',
  ]) {
    other.cookies.set('gatelodge-browser', mark)
    t.equal((await tryIn(lodge, 'bob', password, other)).status, 429, `no mark: ${mark.slice(0, 60)}`)
  }
  await lodge.addUser('eve')
  t.equal((await tryIn(lodge, 'eve', password, other)).status, 303)
  other.cookies.delete('gatelodge')
  t.equal((await tryIn(lodge, 'bob', password, other)).status, 429, 'a browser is known for whom it signed in')
})

t.test('a browser that was stolen has a hundred guesses, and then is a stranger’s', async (t) => {
  const lodge = await openLodge(t)
  const home = lodge.visitor()
  await tryIn(lodge, 'bob', password, home)
  home.cookies.delete('gatelodge')
  const [id = ''] = (home.cookies.get('gatelodge-browser') ?? '').split('.')
  await fail(lodge, 'bob', 99, `browser-${id}`)
  lodge.clock.forward(15 * 60)
  t.equal((await tryIn(lodge, 'bob', 'not the one', home)).status, 422, 'the hundredth')
  lodge.clock.forward(15 * 60)
  for (let n = 0; n < 5; n += 1) t.equal((await tryIn(lodge, 'bob', 'not the one', home)).status, 422)
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 429, 'the delay of strangers')
  lodge.clock.forward(1)
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 303, 'who is right is right')
  home.cookies.delete('gatelodge')
  for (let n = 0; n < 4; n += 1) t.equal((await tryIn(lodge, 'bob', 'not the one', home)).status, 422)
  t.equal((await tryIn(lodge, 'bob', password, home)).status, 303, 'and has the browser’s own budget again')
})

t.test('a mailed link, and support, let passwords be judged again', async (t) => {
  const lodge = await openLodge(t)
  await lock(lodge, 'bob')
  const bob = lodge.visitor()
  await bob.fillIn('/.gatelodge/help', { for: 'link', username: 'bob' }, '/help')
  const mail = await until('the link', () => lodge.mails.find(({ raw }) => raw.includes('/.gatelodge/link')))
  const [link = ''] = /\/\.gatelodge\/link\S+/.exec(mail.email.text ?? '') ?? []
  t.equal((await bob.get(link)).status, 200)
  t.equal((await tryIn(lodge, 'bob', password)).status, 429, 'to look at a link changes nothing')
  t.match((await bob.fillIn(link, {}, '/link')).status, /^(200|303)$/)
  t.match(await eventsOf(lodge, 'throttle.off'), [{ username: 'bob', details: { budget: 'password', until: 'link' } }])
  t.same(await locks(lodge), [])
  t.equal((await tryIn(lodge, 'bob', password)).status, 303)

  await lock(lodge, 'bob')
  t.match(await lodge.core.desk.run(unlockUser, { user: 'bob' }, shell), { username: 'bob' })
  t.same(await locks(lodge), [])
  t.equal((await tryIn(lodge, 'bob', password)).status, 303)
})

t.test('fifty at once at the end of the hundred: one is judged', async (t) => {
  const lodge = await openLodge(t)
  await fail(lodge, 'bob', 99)
  lodge.clock.forward(15 * 60)
  const { attempts } = lodge.core.identity
  const tries = Array.from({ length: 50 }, (_, n) =>
    attempts.spendPassword({ nameHash: nameHash('bob'), network: `198.51.100.${n}` }),
  )
  const spends = await Promise.all(tries)
  t.equal(spends.filter(({ allowed }) => allowed).length, 1)
  const [right] = spends.flatMap((spend) => (spend.allowed ? [spend] : []))
  if (right === undefined) throw new Error('one is judged')
  await attempts.passwordWasRight({ nameHash: nameHash('bob'), network: '198.51.100.0' }, right.receipt)
  t.equal((await tryIn(lodge, 'bob', password)).status, 303, 'and if it was right, nothing is locked')
})
