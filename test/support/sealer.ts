import { KeyRing } from '../../src/secrets/key-ring.js'
import { MasterKey } from '../../src/secrets/master-key.js'
import { Sealer } from '../../src/secrets/sealer.js'

/** The key of installations in tests, the same in every process of one. */
export const testKey = '42'.repeat(32)

/** What a YAML file needs beside a store that gateways share, unless it says it itself. */
export function keyFor(yaml: string): string {
  return /use: redis/.test(yaml) && !/^secrets:/m.test(yaml) ? `secrets: { key: "${testKey}" }\n` : ''
}

export function testSealer(key = testKey): Sealer {
  return new Sealer(ringOf(key))
}

/** @param keys as a key file has them, the one that seals first */
export function ringOf(...keys: readonly string[]): KeyRing {
  const read = MasterKey.read(keys.join('\n'))
  if ('fault' in read || read.keys[0] === undefined) throw new Error('no key')
  return new KeyRing([read.keys[0], ...read.keys.slice(1)])
}
