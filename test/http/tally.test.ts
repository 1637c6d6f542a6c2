import t from 'tap'
import { Counter } from '../../src/http/web/counter.js'

t.test('each kind is counted by itself, and forgotten with its last', async (t) => {
  const counter = new Counter<string>()
  for (const kind of ['a', 'b', 'a']) counter.add(kind)
  t.strictSame([counter.of('a'), counter.of('b'), counter.of('c'), counter.size], [2, 1, 0, 2])
  counter.remove('a')
  t.equal(counter.of('a'), 1)
  counter.remove('a')
  counter.remove('b')
  t.strictSame([counter.of('a'), counter.size], [0, 0])
})
