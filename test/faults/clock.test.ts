import t from 'tap'
import { application } from '../support/front-door.js'
import { signIn, startHouse } from '../support/house.js'
import type { Visitor } from '../support/visitor.js'
import { quickest, tell, timed } from './table.js'

t.setTimeout(120_000)

const minute = 60_000
const day = 24 * 60 * minute
const year = 365 * day

t.test('the clock is set forwards and backwards: nothing opens that should not, and nothing breaks', async (t) => {
  const app = await application(t, (asked, response) => {
    asked.resume()
    response.end(`for ${asked.headers['remote-user'] ?? 'nobody'}`)
  })
  const right = Date.now()
  let now = right
  const core = await startHouse(t, {
    yaml: `publicUrl: http://localhost\nsites: [{ upstream: "${app.url}", identity: remote-user }]\nsession: { duration: 30d }\n`,
    now: () => now,
  })
  await core.addUser('ana')
  const opened = async () => {
    const visitor = core.visitor()
    t.equal((await signIn(visitor, 'ana')).status, 303)
    return visitor
  }
  const ask = (visitor: Visitor) => visitor.send('GET', '/x', { headers: { accept: 'application/json' } })
  const before = await opened()
  t.equal((await ask(before)).text, 'for ana')

  now = right + 10 * year
  const no = await quickest(3, () => ask(before))
  t.equal(no.value.status, 401, 'ten years on it is over')
  const ahead = await opened()
  t.equal((await ask(ahead)).text, 'for ana', 'and one can sign in')

  now = right
  t.equal((await ask(ahead)).status, 401, 'a session of the future would last ten years')
  const again = await timed(async () => ask(await opened()))
  t.equal(again.value.text, 'for ana')

  const early = await opened()
  now = right - 2 * minute
  t.equal((await ask(early)).text, 'for ana', 'gateways may differ by some minutes')
  now = right - day
  t.equal((await ask(early)).status, 401)
  t.equal((await ask(await opened())).text, 'for ana')
  t.equal((await ask(core.visitor())).status, 401)

  const statuses = new Set<number>()
  for (let guess = 0; guess < 12; guess += 1) {
    now = right + ([0, -90, 45, -day / minute, 3][guess % 5] ?? 0) * minute
    const page = '/.gatelodge/sign-in?return=/'
    const answer = await core.visitor().fillIn(page, { username: 'ana', password: `guess ${guess}` }, '/sign-in')
    statuses.add(answer.status)
  }
  t.strictSame(
    [...statuses].filter((status) => ![422, 429].includes(status)),
    [],
    'guesses are refused or put off',
  )
  now = right + 2 * day
  t.equal((await ask(await opened())).text, 'for ana', 'nobody is locked out by it')
  tell(t, {
    fault: 'the clock is set forwards or backwards',
    saw: '401 for sessions that are over, or not yet begun by more than five minutes; signing in as before',
    answerMs: no.ms,
    promisedMs: 1000,
    recoverMs: again.ms,
  })
})
