import t from 'tap'
import { until } from '../support/poll.js'
import { startWatchedPair } from '../support/redis-sentinel.js'
import { skipWithoutRedis } from '../support/redis-server.js'
import { formOf } from '../support/visitor.js'
import { asked, control, gatewaysOn, signedIn } from './on-redis.js'
import { tell, timed } from './table.js'

/** What users see when the Redis that is written to dies and its replica takes over. */

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

t.setTimeout(300_000)

/** After that time without a word the Sentinel takes a master for dead. */
const silentMs = 1000

t.test('Redis fails over: no until the other takes over, and the sessions are as before', { skip }, async (t) => {
  const { master, url } = await startWatchedPair(t, silentMs)
  const [one, two] = await gatewaysOn(t, `sentinel: { master: people, nodes: ["${url}"] }`, 2)
  if (one === undefined || two === undefined) throw new Error('two were started')
  const ann = await signedIn(one)
  const there = two.visitor()
  for (const [name, value] of ann.cookies) there.cookies.set(name, value)
  t.equal((await asked(there)).text, 'for ann', 'a session holds on both')
  const client = await control(t, master.url)
  await client.set('last', 'written')
  t.equal(Number(await client.sendCommand(['WAIT', '1', '60000'])), 1, 'the replica has everything')

  const answers: number[] = []
  let answerMs = Number.POSITIVE_INFINITY
  await master.stop()
  const recovery = await timed(() =>
    until(
      'the session',
      async () => {
        const { value, ms } = await timed(() => asked(ann))
        if (value.status === 503) {
          answerMs = Math.min(answerMs, ms)
          if (!answers.includes(503)) {
            t.match(value.headers['retry-after'], /^\d+$/)
            t.equal((await asked(one.visitor(), '/public/x')).text, 'for everybody', 'what needs nobody goes on')
          }
        }
        if (answers.at(-1) !== value.status) answers.push(value.status)
        // Before the loss was noticed the session was known by a copy.
        return value.status === 200 && answers.includes(503)
      },
      120_000,
    ),
  )
  t.ok(
    answers.every((status) => status === 200 || status === 503),
    `there were ${answers}`,
  )
  await until('the other as well', async () => (await asked(there)).text === 'for ann', 120_000)
  t.equal((await asked(await signedIn(two))).text, 'for ann', 'the other takes what is written')

  const page = await ann.get('/.gatelodge/account')
  const { fields } = formOf(page.text, '/sign-out')
  t.equal((await ann.post('/.gatelodge/sign-out', fields)).status, 303)
  t.equal((await asked(there)).status, 401, 'and what is ended is ended on both')
  tell(t, {
    fault: 'Redis fails over (its master is killed)',
    saw: '503 with Retry-After; public pages 200; then as before, with the sessions there were',
    answerMs,
    promisedMs: 1000,
    recoverMs: recovery.ms,
    more: `${silentMs} ms of it until the Sentinel took the master for dead`,
  })
})
