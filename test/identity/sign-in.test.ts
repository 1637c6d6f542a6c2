import t from 'tap'
import { client, codeAt, PASSWORD, rooms, signIn } from './rooms.js'

t.test('a right password opens a session when nothing more is asked', async (t) => {
  const r = await rooms(t)
  await r.directory.writable?.create({ username: 'Ada', groups: [] }, PASSWORD)
  const in1 = await signIn(r, 'ADA')
  if (in1.outcome !== 'session') throw new Error(in1.outcome)
  const open = await r.sessions.find(in1.token)
  t.equal(open?.session.user.username, 'Ada')
  t.same(open?.session.via, ['password'])
  t.same(await signIn(r, 'ADA', { password: 'nope' }), { outcome: 'refused' })
})

t.test('enrol, then verify', async (t) => {
  const r = await rooms(t)
  await r.directory.writable?.create({ username: 'Ada', groups: [] }, PASSWORD)
  const half = await signIn(r, 'ada', { ask: 'enrol' })
  if (half.outcome !== 'enrol') throw new Error(half.outcome)
  const begun = await r.signIn.beginEnrolment(half.pendingToken, 'totp')
  const key = String((begun as { show: { key: string } } | undefined)?.show.key).replaceAll(' ', '')
  const done = await r.signIn.confirmEnrolment(half.pendingToken, codeAt(key, r.clock.ms), client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  t.same((await r.sessions.find(done.token))?.session.via, ['password', 'totp'])
  r.clock.forward(30)
  const again = await signIn(r, 'ada', { ask: 'second-factor' })
  if (again.outcome !== 'verify') throw new Error(again.outcome)
  t.match(await r.signIn.pending(again.pendingToken), { mode: 'verify', methods: [{ use: 'totp' }], triesLeft: 5 })
  const in2 = await r.signIn.answer(again.pendingToken, codeAt(key, r.clock.ms), client())
  t.equal(in2.outcome, 'session')
})
