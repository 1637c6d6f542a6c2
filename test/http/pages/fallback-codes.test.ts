import t, { type Test } from 'tap'
import { codeAt } from '../../support/authenticator-app.js'
import { PASSWORD } from '../../support/core.js'
import { type Answer, formOf, type Visitor } from '../../support/visitor.js'
import { type Lodge, type LodgeSettings, lodge, prefix } from './lodge.js'

const at = (path: string) => `${prefix}${path}`
const PAGE = at('/account/backup-codes')

function signIn(visitor: Visitor, username: string, returnTo = '/reports', password = PASSWORD): Promise<Answer> {
  return visitor.fillIn(`${at('/sign-in')}?return=${encodeURIComponent(returnTo)}`, { username, password })
}

const codesOn = (page: string) => [...page.matchAll(/<li><code>([^<]*)<\/code>/g)].map(([, code]) => code ?? '')

/** Sets an authenticator app up on the way to a page that asks for one. */
async function enrol(core: Lodge, visitor: Visitor, username: string) {
  await signIn(visitor, username, '/secret/plans')
  const page = await visitor.get(at('/enrol/totp'))
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const done = await visitor.post(at('/enrol/totp'), { ...formOf(page.text).fields, code: codeAt(key, core.clock.ms) })
  core.clock.forward(60)
  return { key, done }
}

async function withCodes(t: Test, settings: LodgeSettings = {}) {
  const core = await lodge(t, settings)
  await core.addUser('ada')
  const visitor = core.visitor()
  const { key, done } = await enrol(core, visitor, 'ada')
  const page = await visitor.get(done.location ?? '')
  return { core, visitor, key, page, codes: codesOn(page.text) }
}

/** The password is right, the code page is open. */
async function halfWay(core: Lodge, username = 'ada', returnTo = '/reports'): Promise<Visitor> {
  const visitor = core.visitor()
  await signIn(visitor, username, returnTo)
  return visitor
}

const give = (visitor: Visitor, way: string, fields: Record<string, string>) =>
  visitor.fillIn(at(`/verify/${way}`), fields, `/verify/${way}`)

async function issue(core: Lodge, username = 'ada'): Promise<string> {
  const [user] = await core.directory.find({ username })
  const account = user && (await core.accounts.open(user))
  if (user === undefined || account === undefined) throw new Error('no such user')
  return (await core.recoveryCodes.issue(account, user, 'command-line')).code
}

t.test('ten codes come with the first second factor, are shown, downloaded, saved, and then gone', async (t) => {
  const { core, visitor, page, codes } = await withCodes(t)
  t.equal(codes.length, 10)
  t.match(page.text, 'I have saved them')
  t.match((await visitor.get(`${PAGE}/new?return=%2Fsecret%2Fplans`)).text, codes[9] ?? '', 'loaded again, the same')
  t.notMatch((await visitor.get(PAGE)).text, codes[0] ?? '', 'not on the page that counts them')
  const [start] = codes[0]?.split('-') ?? []
  t.notMatch((await visitor.get(PAGE)).text, start ?? '')

  const file = await visitor.fillIn(`${PAGE}/new`, {}, '/download')
  t.match(file.headers, { 'content-disposition': /^attachment; filename=/, 'content-type': /^text\/plain/ })
  t.match(file.headers, { 'cache-control': 'no-store' })
  for (const code of codes) t.match(file.text, code)
  const forged = await visitor.post(`${PAGE}/download`, { token: 'forged' })
  t.same([forged.status, forged.location], [303, PAGE])
  t.equal((await core.visitor().get(`${PAGE}/new`)).location?.startsWith(at('/sign-in')), true)

  const saved = await visitor.fillIn(`${PAGE}/new?return=%2Fsecret%2Fplans`, {}, '/saved')
  t.same([saved.status, saved.location], [303, '/secret/plans'])
  t.equal((await visitor.get(`${PAGE}/new`)).location, PAGE, 'shown no more')
  t.match((await visitor.get(PAGE)).text, /<strong>10<\/strong> backup codes left/)
  t.equal((await visitor.get('/secret/plans')).status, 200)
})

t.test('a backup code signs in, once, from the link on the code page', async (t) => {
  const { core, codes } = await withCodes(t)
  const ada = await halfWay(core)
  const verify = await ada.get(at('/verify?return=%2Freports'))
  const link = /href="([^"]*)">Use a backup code</.exec(verify.text)?.[1] ?? ''
  t.equal(link, at('/verify/backup-code?return=%2Freports'))
  const page = await ada.get(link)
  t.match(page.text, /Use a recovery code<\/a>/)
  t.equal((await give(ada, 'backup-code', { code: ' ' })).status, 422)
  const wrong = await give(ada, 'backup-code', { code: 'nonsense' })
  t.match(wrong, { status: 422, text: /<title>Error: .*You have 4 tries left/s })
  t.match((await ada.get('/reports')).text, 'Application', 'the stand-in of an application is open to all')
  const done = await give(ada, 'backup-code', { code: codes[0] ?? '' })
  t.same([done.status, done.location], [303, '/reports'])
  t.match((await core.sessions.find(ada.cookies.get('gatelodge')))?.session.via, ['password', 'backup-code'])

  const again = await give(await halfWay(core), 'backup-code', { code: codes[0] ?? '' })
  t.match(again, { status: 422, text: 'You have 3 tries left' }, 'one budget over browsers and methods')
  const stranger = await core.visitor().post(at('/verify/backup-code'), { code: codes[1] ?? '' })
  t.equal(stranger.status, 400, 'without a password it is worth nothing')
  const forged = await (await halfWay(core)).post(at('/verify/backup-code'), { code: codes[1] ?? '', token: 'x' })
  t.equal(forged.status, 400)
})

t.test('few codes left: the browser is led past the page that makes new ones, and the old ones die', async (t) => {
  const { core, codes, key } = await withCodes(t)
  for (const code of codes.slice(0, 6)) {
    t.equal((await give(await halfWay(core), 'backup-code', { code })).location, '/reports')
    core.clock.forward(10)
  }
  const ada = await halfWay(core)
  const seventh = await give(ada, 'backup-code', { code: codes[6] ?? '' })
  t.equal(seventh.location, `${PAGE}?return=%2Freports`)
  const page = await ada.get(seventh.location ?? '')
  t.match(page.text, /only <strong>3<\/strong> backup\s+codes left/)
  const made = await ada.fillIn(seventh.location ?? '', {}, '/backup-codes')
  t.equal(made.location, `${PAGE}/new?return=%2Freports`)
  const fresh = codesOn((await ada.get(made.location ?? '')).text)
  t.equal(fresh.length, 10)
  t.equal((await give(await halfWay(core), 'backup-code', { code: codes[7] ?? '' })).status, 422)
  t.equal((await give(await halfWay(core), 'backup-code', { code: fresh[7] ?? '' })).status, 303)

  core.clock.forward(16 * 60)
  const late = await ada.fillIn(PAGE, {}, '/backup-codes')
  t.equal(late.location, at('/account/prove?return=%2F.gatelodge%2Faccount%2Fbackup-codes'), 'an old proof makes none')
  const proven = await ada.fillIn(late.location ?? '', { password: PASSWORD }, '/prove')
  t.equal(proven.location, at('/verify?return=%2F.gatelodge%2Faccount%2Fbackup-codes'))
  const back = await ada.fillIn(proven.location ?? '', { code: codeAt(key, core.clock.ms) }, '/verify')
  t.equal(back.location, PAGE)
  t.match((await ada.fillIn(PAGE, {}, '/backup-codes')).location, `${PAGE}/new`)
  const forged = await ada.post(PAGE, { token: 'x' })
  t.equal(forged.status, 400)
})

t.test('the recovery code comes after the backup code, and needs the password', async (t) => {
  const { core, key } = await withCodes(t)
  const code = await issue(core)
  t.equal((await core.visitor().get(at('/verify/recovery-code'))).location?.startsWith(at('/sign-in')), true)
  const ada = await halfWay(core)
  t.equal((await give(ada, 'recovery-code', { code: '0000-0000-0000' })).status, 422)
  const done = await give(ada, 'recovery-code', { code: code.toLowerCase() })
  t.same([done.status, done.location], [303, at('/verify/recovered?return=%2Freports')])
  const page = await ada.get(done.location ?? '')
  t.match(page.text, /href="\/reports">Later</)
  t.match(page.text, /href="\/\.gatelodge\/account">Go to your account</)
  t.equal((await give(await halfWay(core), 'recovery-code', { code })).status, 422)
  const other = await halfWay(core)
  t.equal((await other.fillIn(at('/verify'), { code: codeAt(key, core.clock.ms) }, '/verify')).status, 303)
  t.equal((await other.get(done.location ?? '')).location, '/reports', 'nobody else is told of it')
})

t.test('strict: who has no second factor gets in with a recovery code, and next time with another', async (t) => {
  const secondFactor = { required: 'everyone', unenrolled: 'recovery-code' } as const
  const core = await lodge(t, { policy: { secondFactor } })
  await core.addUser('ada')
  const ada = await halfWay(core)
  const verify = await ada.get(at('/verify?return=%2Freports'))
  t.equal(verify.location, at('/verify/recovery-code?return=%2Freports'))
  t.equal((await ada.get(at('/verify/backup-code'))).location, at('/verify/recovery-code?return=%2Freports'))
  const page = await ada.get(verify.location ?? '')
  t.notMatch(page.text, 'Use a backup code')
  for (const locked of ['/enrol', '/enrol/totp', '/account']) {
    const { location, text } = await ada.get(at(locked))
    t.match(location, /\/(?:verify|sign-in)/, locked)
    t.notMatch(text, 'class="key"')
  }
  const done = await give(ada, 'recovery-code', { code: await issue(core) })
  const offered = await ada.get(done.location ?? '')
  t.match(offered.text, 'Set up a second step now')
  t.equal((await ada.get(at('/account'))).status, 200)

  const later = await halfWay(core)
  t.equal((await later.get(at('/verify'))).location, at('/verify/recovery-code?return=%2Freports'), 'another one')

  const enrolment = await ada.get(at('/enrol?return=%2Freports'))
  const form = await ada.get(enrolment.location ?? '')
  const key = /data-copy="([A-Z2-7]+)"/.exec(form.text)?.[1] ?? ''
  const set = await ada.post(at('/enrol/totp'), { ...formOf(form.text).fields, code: codeAt(key, core.clock.ms) })
  t.equal(set.location, `${PAGE}/new?return=%2Freports`)
  core.clock.forward(60)
  const known = await halfWay(core)
  t.equal((await known.fillIn(at('/verify'), { code: codeAt(key, core.clock.ms) }, '/verify')).location, '/reports')
})

t.test('a browser is remembered: a code once, until signing out', async (t) => {
  const { core, key } = await withCodes(t)
  const code = () => codeAt(key, core.clock.ms)
  const ada = await halfWay(core)
  t.match((await ada.get(at('/verify'))).text, "Don't ask for a code on this device for 30 days")
  const wrong = await ada.fillIn(at('/verify'), { code: '000000', remember: 'yes' }, '/verify')
  t.match(wrong.text, /name="remember"[^>]* checked/, 'the tick stays')
  t.notOk(ada.cookies.has('gatelodge-device'))
  const done = await ada.fillIn(at('/verify'), { code: code(), remember: 'yes' }, '/verify')
  t.match(
    [done.headers['set-cookie']].flat().join('\n'),
    /gatelodge-device=[\w.-]{60}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000/,
  )

  const first = ada.cookies.get('gatelodge-device')
  ada.cookies.delete('gatelodge')
  t.equal((await signIn(ada, 'ada')).location, '/reports', 'the password alone')
  t.not(ada.cookies.get('gatelodge-device'), first)
  t.equal((await ada.get(at('/account'))).status, 200)
  ada.cookies.delete('gatelodge')
  t.match((await signIn(ada, 'ada', '/secret/plans')).location, /\/verify/, 'a rule that always asks for both')
  t.equal((await signIn(ada, 'ada', '/reports', 'wrong')).status, 422)

  const thief = core.visitor()
  thief.cookies.set('gatelodge-device', `${first}`)
  core.clock.forward(61)
  t.match((await signIn(thief, 'ada')).location, /\/verify/, 'a stolen one that was replaced')
  t.match((await signIn(ada, 'ada')).location, /\/verify/, 'ends the one it was stolen from')

  core.clock.forward(60)
  await ada.fillIn(at('/verify'), { code: code(), remember: 'yes' }, '/verify')
  const before = ada.cookies.get('gatelodge-device')
  await ada.fillIn(at('/sign-out'), {}, '/sign-out')
  t.notOk(ada.cookies.has('gatelodge-device'), 'signing out forgets it')
  ada.cookies.set('gatelodge-device', `${before}`)
  t.match((await signIn(ada, 'ada')).location, /\/verify/)
})

t.test('a remembered browser opens what policy lets it, and changes nothing', async (t) => {
  const { core, key } = await withCodes(t)
  const ada = await halfWay(core)
  await ada.fillIn(at('/verify'), { code: codeAt(key, core.clock.ms), remember: 'yes' }, '/verify')
  ada.cookies.delete('gatelodge')
  t.equal((await signIn(ada, 'ada')).location, '/reports')
  const account = await ada.get(at('/account'))
  t.equal(account.status, 200)
  const { location } = await ada.get(at('/verify?return=%2Fsecret%2Fplans'))
  t.equal(location, undefined, 'stepping up asks for the code')
  const renew = await ada.fillIn(PAGE, {}, '/backup-codes')
  t.equal(renew.location, at('/verify?return=%2F.gatelodge%2Faccount%2Fbackup-codes'))
  core.clock.forward(60)
  const proven = await ada.fillIn(renew.location ?? '', { code: codeAt(key, core.clock.ms) }, '/verify')
  t.equal(proven.location, PAGE)
  t.match((await ada.fillIn(PAGE, {}, '/backup-codes')).location, `${PAGE}/new`)
})

t.test('a recovery code ends what was remembered', async (t) => {
  const { core, key } = await withCodes(t)
  const ada = await halfWay(core)
  await ada.fillIn(at('/verify'), { code: codeAt(key, core.clock.ms), remember: 'yes' }, '/verify')
  await give(await halfWay(core), 'recovery-code', { code: await issue(core) })
  ada.cookies.delete('gatelodge')
  t.match((await signIn(ada, 'ada')).location, /\/verify/)
})
