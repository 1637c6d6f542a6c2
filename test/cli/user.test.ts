import { PassThrough } from 'node:stream'
import t from 'tap'
import { sessionsClear, sessionsEnd, sessionsList } from '../../src/cli/commands/sessions.js'
import {
  userActivate,
  userAdd,
  userDeactivate,
  userList,
  userResetSecondFactor,
  userShow,
} from '../../src/cli/commands/user/user.js'
import { add, enrolApp, open, PASSWORD, services, tryPassword } from '../support/core.js'
import { until } from '../support/poll.js'
import { runCommand as run } from '../support/run-command.js'

t.test('adds a user who can sign in', async (t) => {
  const r = await services(t)
  const options = { email: 'ada@example.com', mobile: '+1 202 555 0143', role: 'owner', passwordStdin: true }
  t.same(await run((terminal) => userAdd(r, terminal, 'Ada', options), `${PASSWORD}\n`), {
    code: 0,
    out: 'Added Ada (owner).\n',
    err: '',
  })
  const found = await r.sessions.find(await open(r, 'ada'))
  t.match(found, {
    account: { role: 'owner' },
    session: { user: { email: 'ada@example.com', mobile: '+12025550143' } },
  })
  for (const line of ['\r\n', '', ' ']) {
    const name = `user ${JSON.stringify(line)}`
    await run(
      (terminal) => userAdd(r, terminal, name.replace(/[^\w ]/g, 'x'), { passwordStdin: true }),
      PASSWORD + line,
    )
    const password = PASSWORD + (line === ' ' ? ' ' : '')
    t.match(await tryPassword(r, name.replace(/[^\w ]/g, 'x'), { password }), { outcome: 'session' }, name)
  }
})

t.test('says what is wrong, and adds nobody', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const faults: ReadonlyArray<readonly [string | undefined, object, string, number, RegExp]> = [
    ['bob', { passwordStdin: true, role: 'boss' }, PASSWORD, 2, /one of owner, support, user, api/],
    ['bob', { passwordStdin: true, mobile: '0202 555' }, PASSWORD, 2, /country code/],
    ['bob', { passwordStdin: true, mobile: '+999999' }, PASSWORD, 2, /country code/],
    [undefined, { passwordStdin: true }, PASSWORD, 2, /gatelodge user add NAME/],
    ['bob', {}, PASSWORD, 2, /--password-stdin/],
    ['bob', { passwordStdin: true }, 'short', 1, /at least 8/],
    ['bob', { passwordStdin: true }, '', 1, /at least 8/],
    ['bob', { passwordStdin: true }, 'Password123!', 1, /tried first/],
    ['bob', { passwordStdin: true, email: 'nowhere' }, PASSWORD, 1, /name@host/],
    ['b:b', { passwordStdin: true }, PASSWORD, 1, /no colon/],
    ['ADA', { passwordStdin: true }, PASSWORD, 1, /already/],
  ]
  for (const [name, options, input, code, words] of faults) {
    const said = await run((terminal) => userAdd(r, terminal, name, options), input)
    t.equal(said.code, code)
    t.match(said.err, words)
    t.equal(said.out, '')
  }
  t.same(
    (await r.directory.writable?.list())?.map(({ username }) => username),
    ['ada'],
  )
})

t.test('a number of impossible length is kept, with a note', async (t) => {
  const r = await services(t)
  const said = await run(
    (terminal) => userAdd(r, terminal, 'ada', { mobile: '+15550100', passwordStdin: true }),
    PASSWORD,
  )
  t.match(said, { code: 0, err: /length/ })
  t.match(await r.directory.find({ username: 'ada' }), [{ mobile: '+15550100' }])
})

t.test(
  'cut off after any of its writes, a user lets nobody in with another role, and can be added again',
  async (t) => {
    for (let writes = 0; ; writes += 1) {
      let left = Number.POSITIVE_INFINITY
      const r = await services(t, {
        wrap: (store) =>
          new Proxy(store, {
            get(target, name) {
              const method = Reflect.get(target, name)
              if (typeof method !== 'function') return method
              return (...input: unknown[]) => {
                if (/^(set|add|replace|delete)$/.test(String(name))) left -= 1
                return left < 0 ? Promise.reject(new Error('killed')) : method.apply(target, input)
              }
            },
          }),
      })
      left = writes
      const options = { role: 'api', passwordStdin: true }
      const done = await run((terminal) => userAdd(r, terminal, 'robot', options), PASSWORD).then(
        () => true,
        () => false,
      )
      left = Number.POSITIVE_INFINITY
      t.same(await tryPassword(r, 'robot'), { outcome: 'refused' }, `cut after ${writes} writes`)
      if (done) break
      r.clock.forward(60)
      const again = await run((terminal) => userAdd(r, terminal, 'robot', options), PASSWORD)
      const [user] = await r.directory.find({ username: 'robot' })
      const account = await r.accounts.find(user?.id ?? '')
      t.match(account, { role: 'api', status: 'active' }, `cut after ${writes} writes: ${again.err}`)
      t.ok(await r.directory.verifyPassword('robot', PASSWORD))
    }
  },
)

t.test('asks a person for what is missing', async (t) => {
  const r = await services(t)
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => stdin })
  const stdout = Object.assign(new PassThrough(), { columns: 80, rows: 24 })
  let shown = ''
  stdout.on('data', (chunk) => {
    shown += chunk
  })
  const running = userAdd(r, { stdin, stdout, stderr: new PassThrough() }, undefined)
  const answer = async (question: string, keys: string) => {
    await until(question, () => shown.includes(question))
    stdin.write(keys)
    await until(`${keys.length} keys taken`, () => stdin.readableLength === 0)
    stdin.write('\r')
  }
  await answer('Username', 'ada')
  await answer('E-mail address', '')
  await answer('Role', '')
  await answer('Password', PASSWORD)
  await answer('The same password again', PASSWORD)
  t.equal(await running, 0)
  t.notOk(shown.includes(PASSWORD), 'the password is not shown')
  t.match(await tryPassword(r, 'ada'), { outcome: 'session' })
})

t.test('lists and shows users', async (t) => {
  const r = await services(t)
  t.match(await run((terminal) => userList(r, terminal)), { code: 0, out: /no users yet/ })
  await add(r, 'zoe', { role: 'support' })
  await add(r, 'ada', { email: 'ada@example.com', role: 'owner' })
  await enrolApp(r, 'ada')
  const { out } = await run((terminal) => userList(r, terminal))
  t.match(
    out,
    /^USERNAME +ROLE +STATUS +SECOND FACTORS +E-MAIL\nada +owner +active +totp +ada@example.com\nzoe +support/,
  )
  const rows = JSON.parse((await run((terminal) => userList(r, terminal, { json: true }))).out)
  t.match(rows, [{ username: 'ada', role: 'owner', status: 'active', secondFactors: ['totp'] }, { username: 'zoe' }])

  const shown = await run((terminal) => userShow(r, terminal, 'ADA'))
  t.match(shown.out, /role +owner[\s\S]*second factor: Authenticator app, since 2025-[\s\S]*session\.opened {2}success/)
  const json = JSON.parse((await run((terminal) => userShow(r, terminal, 'ada', { json: true }))).out)
  t.match(json, { username: 'ada', secondFactors: [{ method: 'totp' }] })
  for (const text of [out, shown.out, JSON.stringify(json)]) t.notMatch(text, /argon2|hash|secret"/i)
})

t.test('deactivate, activate, reset: at once, for every session', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const { token } = await enrolApp(r, 'ada')
  t.match(await run((terminal) => userDeactivate(r, terminal, 'ada')), { code: 0, out: /can no longer sign in/ })
  t.equal(await r.sessions.find(token), undefined)
  t.same(await tryPassword(r, 'ada'), { outcome: 'refused' })
  t.match(await run((terminal) => userActivate(r, terminal, 'ada')), { code: 0, out: /can sign in again/ })
  t.equal(await r.sessions.find(token), undefined)
  t.match(await tryPassword(r, 'ada', { ask: 'enrol' }), { outcome: 'verify' }, 'the factor is still there')
  t.match(await run((terminal) => userResetSecondFactor(r, terminal, 'ada')), { code: 0, out: /1 removed/ })
  t.match(await tryPassword(r, 'ada', { ask: 'enrol' }), { outcome: 'enrol' })
  const events = (await r.audit.since(0, 1000)).map(({ event }) => event)
  for (const event of ['admin.user-deactivated', 'admin.user-activated', 'factor.reset'])
    t.ok(events.includes(event as never))
  for (const command of [userDeactivate, userActivate, userResetSecondFactor, userShow]) {
    t.match(await run((terminal) => command(r, terminal, 'nobody')), { code: 1, err: 'There is no user "nobody".\n' })
  }
})

t.test('a user who is gone from the directory can still be shut out', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const token = await open(r, 'ada')
  await r.directory.writable?.remove(id)
  t.ok(await r.sessions.find(token))
  t.match(await run((terminal) => userDeactivate(r, terminal, 'Ada')), { code: 0 })
  t.equal(await r.sessions.find(token), undefined)
})

t.test('sessions: list, end, clear', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  await add(r, 'bob')
  const [adas, bobs] = [await open(r, 'ada'), await open(r, 'bob')]
  t.match((await run((terminal) => sessionsList(r, terminal))).out, /USERNAME[\s\S]*192\.0\.2\.7/)
  const rows = JSON.parse((await run((terminal) => sessionsList(r, terminal, { name: 'ada', json: true }))).out)
  t.match(rows, [{ username: 'ada', via: ['password'], address: '192.0.2.7' }])
  t.equal(rows.length, 1)
  t.match(await run((terminal) => sessionsEnd(r, terminal, 'ada')), {
    code: 0,
    out: 'Every session of ada has ended.\n',
  })
  t.equal(await r.sessions.find(adas), undefined)
  t.ok(await r.sessions.find(bobs))
  t.match(await run((terminal) => sessionsClear(r, terminal)), { code: 0 })
  t.equal(await r.sessions.find(bobs), undefined)
  t.match(await run((terminal) => sessionsList(r, terminal)), { code: 0, out: 'No sessions are open.\n' })
  t.match(await run((terminal) => sessionsEnd(r, terminal, 'nobody')), { code: 1 })
  t.match(await run((terminal) => sessionsList(r, terminal, { name: 'nobody' })), { code: 1 })
})
