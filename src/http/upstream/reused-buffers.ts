import type { Writable } from 'node:stream'

/** Shorter ones cost nothing worth saving. */
const leastBytes = 16 * 1024
const pieceBytes = 64 * 1024
/** Kept for the next ones: a mebibyte. */
const mostKept = 16

const free: Buffer[] = []

/**
 * Writes a copy of a piece that is only lent. A long one is copied into memory that an earlier one has left: in fresh memory
 * the kernel has to find a page for every 4 KiB, which costs several times what the copying does.
 * @returns whether more may be written at once
 */
export function writeCopy(to: Writable, piece: Buffer): boolean {
  if (piece.length < leastBytes || piece.length > pieceBytes) return to.write(Buffer.from(piece))
  const memory = free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
  piece.copy(memory)
  return to.write(memory.subarray(0, piece.length), (error) => {
    // Only what has left for certain: of a write that failed nobody knows who still holds the memory.
    if (!error && free.length < mostKept) free.push(memory)
  })
}
