import t, { type Test } from 'tap'
import { add, client, codeAt, enrolApp, PASSWORD, type Rooms, type RoomsSettings, services } from '../support/core.js'

const DAY = 24 * 60 * 60

async function withDevice(t: Test, more: RoomsSettings = {}) {
  const r = await services(t, more)
  const account = await add(r, 'ada')
  const { key, token } = await enrolApp(r, 'ada')
  return { r, account, key, token, device: await rememberIn(r, token) }
}

async function rememberIn(r: Rooms, sessionToken: string): Promise<string> {
  const open = await r.sessions.find(sessionToken)
  const device = open && (await r.devices.remember(open.session, client()))
  if (device === undefined) throw new Error('nothing was remembered')
  return device
}

/** Policy as for a user who has set up a second factor: a device stands for it. */
const signIn = (r: Rooms, deviceToken: string | undefined, more: { username?: string; password?: string } = {}) =>
  r.signIn.password({
    username: more.username ?? 'ada',
    password: more.password ?? PASSWORD,
    client: client(),
    returnTo: '/',
    policy: (_account, _user, device) => (device === undefined ? 'second-factor' : 'none'),
    ...(deviceToken === undefined ? {} : { deviceToken }),
  })

const newToken = (result: Awaited<ReturnType<typeof signIn>>) =>
  result.outcome === 'session' ? result.deviceToken : undefined

t.test('stands for the second factor after the password, and gets a new token each time', async (t) => {
  const { r, account, device } = await withDevice(t)
  const given = r.clock.ms
  t.match(device, /^[\w-]{16}\.[\w-]{43}$/)
  r.clock.forward(3600)
  const first = await signIn(r, device)
  t.match(first, { outcome: 'session', session: { via: ['password', 'device'], passwordAt: r.clock.ms } })
  t.match(first, { session: { deviceAt: given } }, 'the age is that of the factor it stands for')
  t.notOk('session' in first && first.session.secondFactorAt)
  t.not(newToken(first), device)
  r.clock.forward(3600)
  t.match(await signIn(r, newToken(first)), { outcome: 'session' })
  t.match(await r.devices.list(account.id), [{ id: device.slice(0, 16), rememberedAt: given, lastUsedAt: r.clock.ms }])
  t.equal((await signIn(r, newToken(first), { password: 'wrong' })).outcome, 'refused', 'the password is asked')
  const kept = JSON.stringify(await r.store.list('', { limit: 1000 })) + JSON.stringify(r.lines)
  t.notOk(kept.includes(device.slice(17)), 'the store and the log have no token')
  const events = r.lines.map(({ message }) => message).filter((event) => event.startsWith('device.'))
  t.same(events, ['device.remembered', 'device.used', 'device.used'])
})

t.test('requests at the same moment all pass; a token that comes back later revokes the device', async (t) => {
  const { r, account, device } = await withDevice(t)
  const other = await r.beside()
  // As many as one name may have under way.
  const all = await Promise.all(Array.from({ length: 4 }, (_, i) => signIn(i % 2 ? r : other, device)))
  t.equal(all.filter(({ outcome }) => outcome === 'session').length, 4)
  const tokens = all.map(newToken).filter((token) => token !== undefined)
  t.equal(tokens.length, 1, 'one of them brings the new token')
  r.clock.forward(61)
  t.match(await signIn(r, device), { outcome: 'verify' }, 'a copy that was stolen')
  t.match(await signIn(r, tokens[0]), { outcome: 'verify' }, 'nobody knows which of the two is the thief')
  t.same(await r.devices.list(account.id), [])
})

t.test('stands for nothing without its user, changed, too old, or where policy says no', async (t) => {
  const { r, device } = await withDevice(t)
  await add(r, 'bob')
  await enrolApp(r, 'bob')
  t.match(await signIn(r, device, { username: 'bob' }), { outcome: 'verify' }, 'of another user')
  for (const wrong of [undefined, '', 'x', `${device}x`, `${device.slice(0, -2)}xx`, device.slice(17), `${device}.a`]) {
    t.match(await signIn(r, wrong), { outcome: 'verify' }, wrong ?? 'none')
    r.clock.forward(20)
  }
  const required = await r.signIn.password({
    username: 'ada',
    password: PASSWORD,
    client: client(),
    returnTo: '/',
    policy: () => 'second-factor',
    deviceToken: device,
  })
  t.match(required, { outcome: 'verify' })
  r.clock.forward(30 * DAY)
  t.match(await signIn(r, device), { outcome: 'verify' }, 'thirty days')
})

t.test('the age is a setting that existing ones follow; off remembers nobody', async (t) => {
  const { r, device, token } = await withDevice(t)
  r.settings.rememberDeviceSeconds = 60 * DAY
  r.clock.forward(45 * DAY)
  const used = await signIn(r, device)
  t.match(used, { outcome: 'session' })
  r.settings.rememberDeviceSeconds = undefined
  t.match(await signIn(r, newToken(used)), { outcome: 'verify' })
  const open = await r.sessions.find(token)
  t.equal(open && (await r.devices.remember(open.session, client())), undefined)
})

t.test('dies with sign-out, revocation, reset, a raised generation, and a clear of devices', async (t) => {
  const { r, account, key, device } = await withDevice(t)
  const fresh = async () => {
    r.clock.forward(60)
    const step = await signIn(r, undefined)
    const pending = 'pendingToken' in step ? step.pendingToken : ''
    const done = await r.signIn.answer(pending, codeAt(key, r.clock.ms), client())
    return rememberIn(r, 'token' in done ? done.token : '')
  }
  const ends: Array<[string, (token: string) => Promise<unknown>]> = [
    ['sign-out', (token) => r.devices.forget(token, client())],
    ['revoke', (token) => r.devices.revoke(account.id, token.slice(0, 16))],
    ['revoke all', () => r.devices.revokeAll(account.id)],
    ['clear', () => r.devices.clear()],
    ['end all', () => r.sessions.endAll(account.id)],
    ['deactivate', () => r.accounts.deactivate(account.id)],
  ]
  let token = device
  for (const [name, end] of ends) {
    t.ok(await r.devices.find(token), name)
    await end(token)
    t.equal(await r.devices.find(token), undefined, name)
    if (name === 'deactivate') break
    token = await fresh()
  }
  await r.accounts.activate(account.id)
  t.equal(await r.devices.find(token), undefined, 'dead for good')
  token = await fresh()
  await r.sessions.clear()
  t.ok(await r.devices.find(token), 'clearing sessions leaves devices')
  await r.enrolments.reset(account.id)
  t.equal(await r.devices.find(token), undefined, 'reset')
  t.equal(await r.devices.forget(token, client()), true)
  t.equal(await r.devices.revoke('somebody', token.slice(0, 16)), false)
})

t.test('taken off with the last factor, it does not come back with the next one', async (t) => {
  const { r, account, device } = await withDevice(t)
  await r.accounts.change(account.id, (now) => ({ ...now, enrolled: [] }))
  t.match(await signIn(r, device), { outcome: 'verify' }, 'stands for nothing where there is none')
  r.clock.forward(60)
  await enrolApp(r, 'ada')
  t.match(await signIn(r, device), { outcome: 'verify' })
})

t.test('a revocation while a browser is being remembered ends it as well', async (t) => {
  const { r, account, token } = await withDevice(t)
  const open = await r.sessions.find(token)
  await r.accounts.endAll(account.id)
  const device = open && (await r.devices.remember(open.session, client()))
  t.equal(await r.devices.find(device), undefined)
})

t.test('its user is not slowed down by a stranger, and it is no way round the delays', async (t) => {
  const { r, device } = await withDevice(t)
  for (let round = 0; round < 6; round += 1) await signIn(r, undefined, { password: 'wrong' })
  t.match(await signIn(r, undefined), { outcome: 'refused', retryAfterSeconds: 1 })
  const used = await signIn(r, device)
  t.match(used, { outcome: 'session' })
  r.clock.forward(120)
  for (let round = 0; round < 5; round += 1) await signIn(r, newToken(used), { password: 'wrong' })
  t.match(await signIn(r, newToken(used)), { outcome: 'refused', retryAfterSeconds: 1 })
  t.match(await signIn(r, undefined), { outcome: 'verify' }, 'the budgets are apart')
})
