import t from 'tap'
import { Tally } from '../../src/http/tally.js'

t.test('each kind is counted by itself, and forgotten with its last', async (t) => {
  const tally = new Tally<string>()
  for (const kind of ['a', 'b', 'a']) tally.add(kind)
  t.strictSame([tally.of('a'), tally.of('b'), tally.of('c'), tally.size], [2, 1, 0, 2])
  tally.remove('a')
  t.equal(tally.of('a'), 1)
  tally.remove('a')
  tally.remove('b')
  t.strictSame([tally.of('a'), tally.size], [0, 0])
})
