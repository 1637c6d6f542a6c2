import { resolve } from 'node:path'
import type { KeySettings } from '../secrets/open-secrets.js'
import type { Config } from './schema.js'

/** Where this configuration has its keys, and where one is made that names none: `./data.key` beside `./data`. */
export function keySettings({ secrets, store, baseDirectory }: Config): KeySettings {
  const { path } = store as { readonly path?: unknown }
  const directory = resolve(baseDirectory, typeof path === 'string' ? path : './data')
  return { ...secrets, ...(store.use === 'embedded' ? { ownFile: `${directory}.key` } : {}) }
}
