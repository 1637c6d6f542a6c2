import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Said instead of an answer; the page around it is the application's. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, sentence: string) {
    super(sentence)
    this.status = status
  }
}

const maxFormBytes = 16 * 1024
/** Uploads under way at one time, all together. */
const maxWaitingBytes = 128 * 2 ** 20
let waitingBytes = 0

/** @throws {@link Refusal} 413 when there is more than the limit, 503 when too much is under way elsewhere */
async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      waitingBytes += chunk.length
      if (length > maxBytes) throw new Refusal(413, 'That is more than the desk takes.')
      if (waitingBytes > maxWaitingBytes) throw new Refusal(503, 'Too many files are coming in at this moment.')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    waitingBytes -= length
  }
}

/** The fields of an ordinary form. */
export async function fieldsOf(request: IncomingMessage): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'The desk reads forms only.')
  }
  return new URLSearchParams((await bodyOf(request, maxFormBytes)).toString())
}

export async function jsonOf(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'Send application/json.')
  }
  try {
    return JSON.parse((await bodyOf(request, maxFormBytes)).toString())
  } catch (fault) {
    throw fault instanceof SyntaxError ? new Refusal(400, 'That is not JSON.') : fault
  }
}

/** The one file of an upload form, byte for byte. */
export async function fileOf(request: IncomingMessage, maxBytes: number): Promise<{ name: string; bytes: Buffer }> {
  const type = request.headers['content-type'] ?? ''
  if (!/^multipart\/form-data\b/i.test(type)) throw new Refusal(415, 'Send the file with the form.')
  const body = await bodyOf(request, maxBytes + 4096)
  const form = await new Response(body, { headers: { 'content-type': type } }).formData().catch(() => undefined)
  const file = form?.get('file')
  if (!(file instanceof File) || file.name === '') throw new Refusal(400, 'There was no file in the form.')
  if (file.size > maxBytes) throw new Refusal(413, 'That is more than the desk takes.')
  // Through bytes and back, because the cut may leave half a character.
  const name = Buffer.from(file.name.slice(0, 120)).toString()
  return { name, bytes: Buffer.from(await file.arrayBuffer()) }
}

/** Length and sum of a body of any size; nothing of it is kept. */
export async function sumOf(request: IncomingMessage): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    hash.update(chunk)
  }
  return { bytes, sha256: hash.digest('hex') }
}
