import embedded from '../../plugins/stores/embedded.js'
import { Accounts } from '../../src/identity/accounts/accounts.js'
import { Links } from '../../src/identity/links/links.js'
import { Epoch } from '../../src/identity/store/epoch.js'
import { Installation } from '../../src/identity/store/installation.js'
import { build, lentHost } from '../support/lent-host.js'
import { testSealer } from '../support/sealer.js'

/** One link, tried many times at once by each process. */
export interface LinkRace {
  readonly path: string
  readonly token: string
  readonly tries: number
  /** The moment the race is run at. */
  readonly at: number
}

let run: (() => Promise<number>) | undefined

process.on('message', async (race: LinkRace | 'go') => {
  if (race !== 'go') run = await prepare(race)
  process.send?.(race === 'go' ? await run?.() : 'ready')
})
process.on('disconnect', () => process.exit())

async function prepare({ path, token, tries, at }: LinkRace): Promise<() => Promise<number>> {
  const now = () => at
  const store = await build(embedded, { path }, lentHost({ now }))
  const epoch = new Epoch({ store })
  const { log } = lentHost()
  const sealer = testSealer()
  const accounts = new Accounts({ store, epoch, now })
  const links = new Links({
    store,
    accounts,
    installation: await Installation.open({ store, epoch, sealer, log }),
    now,
  })
  return async () => {
    const redeem = async () => {
      const live = await links.find(token)
      return live !== undefined && (await links.win(live.link))
    }
    const won = await Promise.all(Array.from({ length: tries }, redeem))
    await store.close()
    return won.filter(Boolean).length
  }
}
