/** A process of its own that reads a data file from end to end; it ends with 0 when every page was there. */
import { open } from 'lmdb'

const root = open({ path: process.argv[2] ?? '', noSubdir: true, readOnly: true, maxDbs: 4 })
for (const name of ['entries', 'expiries']) {
  const database = root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' })
  for (const { key, value } of database.getRange({ start: Buffer.alloc(0) })) key.length + value.length
  database.getStats()
}
await root.close()
