import type { Scope } from '../../test/support/scope.js'
import { Visitor } from '../../test/support/visitor.js'
import type { Ground } from '../ground.js'
import { type Figures, type Measurement, on } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import type { Started } from '../sides/side.js'
import type { Budget } from './budget.js'

/** Few enough that the machine has time left: what is looked at is who waits for whom. */
const perSecond = 500

const signIns: Measurement = {
  name: `${perSecond} requests a second, 8 sign-ins running`,
  run: (ground) => on(ground, gateWithSession, (started) => measure(ground, started)),
}

async function measure(ground: Ground, { program, headers }: Started): Promise<Figures> {
  const { connections, warmup, seconds } = ground.extent
  const target = { port: program.port, path: '/x', headers, connections }
  await ground.generator.send({ ...target, kind: 'closed', requests: warmup })
  const order = { ...target, kind: 'steady' as const, perSecond, seconds }
  const quiet = await ground.generator.send(order)
  const people = await signInAgainAndAgain(ground, program.port)
  try {
    const busy = await ground.generator.send(order)
    const perSecondSignedIn = people.count() / seconds
    return { 'p99 without': quiet.p99, 'p99 with': busy.p99, 'sign-ins/s': perSecondSignedIn }
  } finally {
    await people.stop()
  }
}

/** Eight people at once, each of whom signs in as soon as they are in. */
async function signInAgainAndAgain(ground: Ground, port: number) {
  const { people } = await ground.store('thousand')
  let count = 0
  let isOver = false
  const loops = people.map(async ({ username, password }) => {
    while (!isOver) {
      const handlers: Array<() => unknown> = []
      const scope: Scope = { teardown: (handler) => void handlers.push(handler) }
      const visitor = new Visitor(scope, `http://localhost:${port}`)
      const { status } = await visitor.fillIn('/.gatelodge/sign-in', { username, password })
      if (!visitor.cookies.has('gatelodge')) throw new Error(`A sign-in was answered with ${status}.`)
      count += 1
      for (const handler of handlers) await handler()
    }
  })
  const all = Promise.all(loops)
  all.catch(() => {})
  return {
    count: () => count,
    /** @throws what a sign-in met */
    stop: async () => {
      isOver = true
      await all
    },
  }
}

export const besideSignIns: readonly Budget[] = [
  {
    name: 'proxied p99 with 8 sign-ins running / without',
    of: { measurement: signIns, key: 'p99 with' },
    to: { measurement: signIns, key: 'p99 without' },
    limit: { most: 4 },
    stretch: 2,
  },
]
