import embedded from '../../plugins/stores/embedded.js'
import { SendingBudget, type SendingLimits, type Spending } from '../../src/messages/sending-budget.js'
import { build, lentHost } from '../support/lent-host.js'

/** What each process of a race does at the same moment. */
export interface Race {
  readonly path: string
  readonly limits: SendingLimits
  readonly spendings: readonly Spending[]
  /** Whether the account's turn is taken first. */
  readonly turns: boolean
}

const host = lentHost({ now: Date.now })
let run: (() => Promise<object>) | undefined

process.on('message', async (race: Race | 'go') => {
  if (race !== 'go') run = await prepare(race)
  process.send?.(race === 'go' ? await run?.() : 'ready')
})
process.on('disconnect', () => process.exit())

async function prepare({ path, limits, spendings, turns }: Race): Promise<() => Promise<object>> {
  const store = await build(embedded, { path }, host)
  let alerts = 0
  const audit = {
    async record() {
      alerts += 1
    },
  }
  const budget = new SendingBudget({ store, audit, log: host.log, now: host.now, limits })
  const spend = async (spending: Spending) =>
    turns ? budget.takeTurn(spending.accountId ?? '', spending.purpose) : budget.spend(spending)
  return async () => {
    const answers = await Promise.all(spendings.map(spend))
    await store.close()
    return { sent: answers.filter((answer) => answer === undefined).length, alerts }
  }
}
