import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { HandedFile } from '../../operations/operation.js'

/** Answers with a file to keep, made while it is read: any size needs little memory. */
export function sendFile(reply: FastifyReply, { name, type, content }: HandedFile): FastifyReply {
  const stream = Readable.from(inPieces(content), { objectMode: false })
  // A reader that stands still would hold the store at one moment for ever.
  const timer = setTimeout(() => stream.destroy(new Error('the reader was too slow')), LONGEST_MS).unref()
  stream.once('close', () => clearTimeout(timer))
  return reply
    .header('content-disposition', `attachment; filename="${name}"`)
    .type(type === 'application/octet-stream' ? type : `${type}; charset=utf-8`)
    .send(stream)
}

const LONGEST_MS = 15 * 60_000
const PIECE = 64 * 1024

/** Lines are short: so many together that each is worth a write. */
async function* inPieces(content: AsyncIterable<string | Buffer>): AsyncGenerator<string | Buffer> {
  let piece = ''
  for await (const line of content) {
    if (typeof line !== 'string') {
      yield line
      continue
    }
    piece += line
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}
