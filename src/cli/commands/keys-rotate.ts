import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Audit } from '../../audit/audit.js'
import type { Store } from '../../contracts.js'
import { done, failed } from '../../exit-codes.js'
import { replaceKeyFile } from '../../secrets/key-file.js'
import { NOTICED_MS } from '../../secrets/key-ring.js'
import { kidsOf, markOnly, markSealing } from '../../secrets/marker.js'
import { MasterKey } from '../../secrets/master-key.js'
import { changeableFile, type KeySettings } from '../../secrets/open-secrets.js'
import { countSealed, type Resealing, resealAll } from '../../secrets/reseal.js'
import type { Sealer } from '../../secrets/sealer.js'
import { complain, say, type Terminal } from '../terminal.js'

export interface RotateParts {
  readonly store: Store
  readonly sealer: Sealer
  readonly keys: KeySettings
  /** Whether gateways of other machines may be on the store. */
  readonly isShared: boolean
  readonly audit: Pick<Audit, 'record'>
}

/**
 * `keys rotate`: a new key seals from now on, and everything is sealed anew with it. Gateways go on meanwhile, since they
 * have both keys. It may be killed at any moment: where the store is not through with an earlier change, that one is ended
 * first, and no further key is made.
 */
export async function keysRotate(
  parts: RotateParts,
  terminal: Terminal,
  { json = false, sameFile = false }: { json?: boolean; sameFile?: boolean } = {},
): Promise<number> {
  const { store, sealer, audit } = parts
  const isBegun = await isUnderway(parts)
  if (!isBegun) {
    const refused = putNewKey(parts, sameFile)
    if (refused !== undefined) return complain(terminal, failed, refused)
  }
  const putAt = performance.now()
  const { kid } = sealer.ring.current
  await audit.record({ event: 'admin.keys-rotated', outcome: 'intended', by: 'command-line', details: { kid } })
  await markSealing(store, sealer)
  const first = await resealAll(store, sealer, { all: true })
  // Gateways look at the key file once in this time: what they sealed until then with the old key, is sealed anew below.
  await pause(Math.max(0, 2 * NOTICED_MS - (performance.now() - putAt)))
  const second = await resealAll(store, sealer, { all: true })
  const unreadable = second.unreadable
  if (unreadable === 0) await markOnly(store, sealer)
  const outcome = unreadable === 0 ? 'success' : 'failed'
  const changed = first.changed + second.changed
  await audit.record({
    event: 'admin.keys-rotated',
    outcome,
    by: 'command-line',
    details: { kid, changed, unreadable },
  })
  const old = sealer.ring
    .all()
    .map((key) => key.kid)
    .filter((one) => one !== kid)
  if (json) say(terminal, JSON.stringify({ kid, changed, unreadable, old, resumed: isBegun }))
  else report(terminal, { kid, old, isBegun, changed, second }, parts)
  return unreadable === 0 ? done : failed
}

/** Whether something is sealed with another key than the one that seals now. */
async function isUnderway({ store, sealer }: RotateParts): Promise<boolean> {
  const { kid } = sealer.ring.current
  const { byKid } = await countSealed(store)
  const kids = [...((await kidsOf(store)) ?? []), ...byKid.keys()]
  return kids.some((one) => one !== kid && sealer.ring.find(one) !== undefined)
}

/** @returns why it cannot be done from here */
function putNewKey({ sealer, keys, isShared }: RotateParts, sameFile: boolean): string | undefined {
  const file = changeableFile(keys)
  const byHand =
    'gatelodge keys new FILE makes a key. Name it under secrets.oldKeys of every gateway and reload them; then make it ' +
    'secrets.key, with the old one under secrets.oldKeys, and reload them again; then say gatelodge keys rotate once more.'
  if (file === undefined) return `The key does not come from a file that can be changed from here. ${byHand}`
  if (isShared && !sameFile) {
    const words = 'Every gateway on this store needs the new key before one of them seals with it.'
    return `${words} Where all of them read ${file} on this machine, say --same-file. Otherwise: ${byHand}`
  }
  const fresh = MasterKey.draw()
  const before = sealer.ring.all().filter(({ kid }) => !keys.oldKeys.some((text) => isIn(text, kid)))
  replaceKeyFile(file, [fresh, ...before])
  // So that this process has it, too.
  sealer.ring.find(fresh.kid)
  return undefined
}

function isIn(text: string, kid: string): boolean {
  const read = MasterKey.read(text)
  return 'keys' in read && read.keys.some((key) => key.kid === kid)
}

function report(
  terminal: Terminal,
  done: {
    readonly kid: string
    readonly old: readonly string[]
    readonly isBegun: boolean
    readonly changed: number
    readonly second: Resealing
  },
  { keys }: RotateParts,
): void {
  const { kid, old, isBegun, changed, second } = done
  if (isBegun)
    say(terminal, 'An earlier change of keys had not come to its end: it has now, and no other key was made.')
  say(terminal, `${changed} entries were sealed anew with the key ${kid}.`)
  if (second.unreadable > 0) {
    const words = `${second.unreadable} entries could not be opened and stay as they are: none of the keys here opens them.`
    complain(terminal, failed, `${words} Keep the old keys, and look into the log for whose second factors they are.`)
    return
  }
  if (second.clear > 0) {
    const words = `${second.clear} entries lie in the clear and are refused: something else than Gatelodge wrote them.`
    complain(terminal, failed, `${words} Let their users set up a second factor anew.`)
  }
  if (old.length === 0) return
  const place = changeableFile(keys) ?? 'secrets.oldKeys'
  say(
    terminal,
    `Nothing in the store needs ${old.join(', ')} any more: it can be removed from ${place}. Backups made until now are ` +
      'sealed with it: keep it with a copy of them for as long.',
  )
}
