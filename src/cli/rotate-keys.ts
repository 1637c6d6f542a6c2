import { keySettings } from '../config/key-settings.js'
import { keysRotate } from './commands/keys-rotate.js'
import { withCore } from './with-config.js'

/** `gatelodge keys rotate`, beside a gateway that may be running. @returns the exit code */
export function rotateKeys(file: string, options: { json?: boolean; sameFile?: boolean }): Promise<number> {
  return withCore(file, ({ store, sealer, audit, config }) => {
    const isShared = config.store.use !== 'embedded'
    return keysRotate({ store, sealer, audit, keys: keySettings(config), isShared }, process, options)
  })
}
