import t from 'tap'
import { skipWithoutRedis } from '../support/redis-server.js'
import { chaos } from './chaos.js'
import { type ChaosCounts, faultsIn } from './counts.js'

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

// Gateways start again and again, on machines that run other tests meanwhile.
t.setTimeout(300_000)

const isEnough = (counts: ChaosCounts) =>
  [counts.pages, counts.signIns, counts.signOuts, counts.linksRaced, counts.changes, counts.kills].every(
    (count) => count > 1,
  ) && counts.codesRaced > 0

t.test(
  'two gateways on one Redis, killed again and again, let nobody through who may not',
  {
    skip,
    timeout: 300_000,
  },
  async (t) => {
    const counts = await chaos(t, { seconds: 15, users: 40, coders: 3, readers: 8, isEnough })
    t.comment(JSON.stringify(counts))
    t.equal(faultsIn(counts), 0)
    t.same(counts.unexpected, {})
    t.ok(isEnough(counts), 'there was something of everything')
  },
)
