import { parseArgs } from 'node:util'
import { chaos } from '../test/chaos/chaos.js'
import { faultsIn } from '../test/chaos/counts.js'

/** `npm run chaos`: ten minutes of the test of the same name, with 200 users, and the counts at its end. */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    users: { type: 'string', default: '200' },
    coders: { type: 'string', default: '20' },
    readers: { type: 'string', default: '32' },
  },
})
const handlers: Array<() => unknown> = []
try {
  const counts = await chaos(
    { teardown: (handler) => void handlers.unshift(handler) },
    {
      seconds: Number(values.seconds),
      users: Number(values.users),
      coders: Number(values.coders),
      readers: Number(values.readers),
      log: (line) => console.log(line),
    },
  )
  console.log(JSON.stringify(counts, undefined, 2))
  if (faultsIn(counts) > 0) process.exitCode = 1
} finally {
  for (const handler of handlers) await handler()
}
