import { statfs } from 'node:fs/promises'

/** Less than this and a write that needs another page may find none. */
const roomBytes = 1024 * 1024

/**
 * Keeps writes away from a disk that was found full. LMDB writes its message about a failed write past the end of its own
 * memory (`malloc(100)` for up to 150 characters, seen in lmdb 3.5.6), and after some of them the C library ends the process:
 * what failed once is not tried again before there is room.
 */
export class FullDisk {
  readonly #directory: string
  #hasFailed = false

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Whether {@link check} would look at the disk. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** To be told of every write that failed: it may have been for want of room, or for another reason. */
  noteFailure(): void {
    this.#hasFailed = true
  }

  /** @throws while there is no room */
  async check(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory)
    if (bavail * bsize < roomBytes) throw new Error('no space left on the disk of the data directory')
    this.#hasFailed = false
  }
}
