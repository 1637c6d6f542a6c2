import { z } from 'zod'
import type { StoredEntry } from '../contracts.js'
import { isHeld } from '../identity/held.js'
import { defineOperation, handedFile, refuse } from './operation.js'

export const backupStore = defineOperation({
  name: 'store.backup',
  summary: 'everything that lasts in the store, as restore reads it; it holds secrets',
  may: 'owner',
  fresh: true,
  event: 'admin.backup',
  hands: ['application/jsonl'],
  input: z.strictObject({}),
  output: handedFile,
  doors: { page: '/data', api: 'POST /backup', commandLine: 'backup' },
  async run({ rooms, write }) {
    const { store } = rooms
    if (store.snapshot === undefined) {
      return refuse('This store cannot be copied from here: use the means of its server.')
    }
    await write()
    const { backupText } = await import('../backup/backup-file.js')
    const createdAt = new Date(rooms.now()).toISOString()
    return {
      name: `gatelodge-${createdAt.slice(0, 10)}.jsonl`,
      type: 'application/jsonl',
      content: backupText(lasting(store.snapshot()), createdAt),
    }
  },
})

/** What people hold in their hands is not taken over from a backup, so it need not be in one. */
async function* lasting(entries: AsyncIterable<StoredEntry>): AsyncGenerator<StoredEntry> {
  for await (const entry of entries) if (!isHeld(entry.key)) yield entry
}
