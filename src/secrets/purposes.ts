/**
 * Keys of the store under which something is sealed, with the purpose that has a key of its own. Everything else in there
 * is a hash or no secret: docs/store.md has the whole table.
 */
const purposes: ReadonlyArray<readonly [prefix: string, purpose: string]> = [
  ['enrolment/', 'enrolment'],
  ['pending/', 'pending'],
  ['installation', 'installation'],
  ['assertion-keys', 'assertion-keys'],
  ['secrets', 'secrets'],
  // What they keep there is theirs, and may be a counter or a credential. Directories keep hashes, and are searched.
  ['plugin:second-factors:', 'plugin'],
  ['plugin:sms-transports:', 'plugin'],
  ['plugin:mail-transports:', 'plugin'],
  ['plugin:audit-outs:', 'plugin'],
]

/** Prefixes that a walk over everything that is sealed has to look under. */
export const sealedPrefixes: readonly string[] = purposes.map(([prefix]) => prefix)

/** Whether what lies under this key is sealed, or a part of it is. */
export function isSealedKey(key: string): boolean {
  return sealedPrefixes.some((prefix) => (/[/:]$/.test(prefix) ? key.startsWith(prefix) : key === prefix))
}

/** @throws for keys under which nothing is sealed */
export function purposeOf(key: string): string {
  const found = purposes.find(([prefix]) => (/[/:]$/.test(prefix) ? key.startsWith(prefix) : key === prefix))
  if (found === undefined) throw new RangeError('nothing is sealed under this key')
  return found[1]
}
