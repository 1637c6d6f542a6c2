import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatelodgeError } from '../../../../errors.js'

/** Fields beside the file: short words, and the text of a file that was looked at before. */
const MOST_FIELDS = 10
const FRAME_BYTES = 16 * 1024
const LONGEST_TYPE = 200

/** Lets routes of this scope take a form with one file of so many bytes; its name becomes the field `name`. */
export function takeUploads(scope: FastifyInstance, bytes: number): void {
  scope.addContentTypeParser('multipart/form-data', (request: FastifyRequest, body: IncomingMessage) =>
    readForm(request, body, bytes),
  )
}

async function readForm(request: FastifyRequest, body: IncomingMessage, bytes: number): Promise<object> {
  // A boundary has 70 characters at most (RFC 2046, 5.1.1); the parser keeps and searches as many as it is told at each chunk.
  if ((request.headers['content-type'] ?? '').length > LONGEST_TYPE) throw new GatelodgeError('request.malformed')
  const { Busboy } = await import('@fastify/busboy')
  const fields: Record<string, string> = {}
  return new Promise((resolve, reject) => {
    const refuse = (code: 'request.malformed' | 'operation.file-too-large') => {
      body.unpipe()
      reject(new GatelodgeError(code))
    }
    let parser: InstanceType<typeof Busboy>
    try {
      parser = new Busboy({
        headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
        limits: {
          fieldSize: bytes,
          fileSize: bytes,
          fields: MOST_FIELDS,
          files: 1,
          parts: MOST_FIELDS + 1,
          headerPairs: 20,
          headerSize: 4096,
        },
      })
    } catch {
      refuse('request.malformed')
      return
    }
    let received = 0
    body.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received > bytes + FRAME_BYTES) refuse('operation.file-too-large')
    })
    parser.on('field', (name, value, _nameTruncated, isTruncated) => {
      if (isTruncated) refuse('operation.file-too-large')
      if (!Object.hasOwn(fields, name)) fields[name] = value
    })
    parser.on('file', (name, file, filename) => {
      const chunks: Buffer[] = []
      file.on('data', (chunk: Buffer) => chunks.push(chunk))
      file.once('limit', () => refuse('operation.file-too-large'))
      file.once('end', () => {
        fields[name] = Buffer.concat(chunks).toString('utf8')
        fields['name'] = filename ?? ''
      })
    })
    parser.once('finish', () => resolve(fields))
    parser.once('error', () => refuse('request.malformed'))
    // Closed before its end; after it, the parser still has something to do.
    body.once('close', () => {
      if (!body.readableEnded) refuse('request.malformed')
    })
    body.pipe(parser)
  })
}
