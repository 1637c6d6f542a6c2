import { z } from 'zod'
import type { StoredEntry } from '../../contracts.js'
import { isNeverRestored } from '../../identity/store/never-restored.js'
import { defineOperation, handedFile, refuse } from '../operation.js'

export const backupStore = defineOperation({
  name: 'store.backup',
  summary: 'everything that lasts in the store, as restore reads it; sealed with the key of the gateway',
  may: 'owner',
  fresh: true,
  scope: 'backup',
  event: 'admin.backup',
  hands: ['application/octet-stream'],
  input: z.strictObject({}),
  output: handedFile,
  doors: { page: '/data', api: 'POST /backup', commandLine: 'backup' },
  async run({ services, write }) {
    const { store, sealer } = services
    if (store.snapshot === undefined) {
      return refuse('This store cannot be copied from here: use the means of its server.')
    }
    await write()
    const { sealedBackup } = await import('./backup-file.js')
    const createdAt = new Date(services.now()).toISOString()
    return {
      name: `gatelodge-${createdAt.slice(0, 10)}.backup`,
      type: 'application/octet-stream',
      content: sealedBackup(lasting(store.snapshot()), createdAt, sealer.ring.current),
    }
  },
})

/** What people hold in their hands is not taken over from a backup, so it need not be in one. */
async function* lasting(entries: AsyncIterable<StoredEntry>): AsyncGenerator<StoredEntry> {
  for await (const entry of entries) if (!isNeverRestored(entry.key)) yield entry
}
