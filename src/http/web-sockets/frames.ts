import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What a server adds to the client's key (RFC 6455 1.3). */
const protocolId = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** RFC 6455 7.4.1. */
export const closeCodes = { goingAway: 1001, policy: 1008 } as const

/** Whether an upgrade request asks for a WebSocket and for nothing else (RFC 6455 4.1). */
export function asksForWebSocket({ method, headers, httpVersionMinor }: IncomingMessage): boolean {
  return method === 'GET' && httpVersionMinor === 1 && headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/** Whether a request for a WebSocket is one whose answer can be checked: one key, and no body. */
export function isWellFormed({ rawHeaders, headers }: IncomingMessage): boolean {
  const keys = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'sec-websocket-key')
  return keys.length === 1 && /^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')
}

/** What a server answers that speaks WebSocket, and one that only echoes headers does not. */
export function acceptanceOf(key: string): string {
  return createHash('sha1')
    .update(key + protocolId)
    .digest('base64')
}

/** A Close frame as a server sends it: unmasked. */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 2, code >> 8, code & 0xff])
}

/**
 * Follows the frames in one direction of a WebSocket, so that a frame of ours can be put between two of theirs and never
 * into one.
 */
export class FrameBoundary {
  /** Bytes of the frame under way that are still to come. */
  #left = 0
  /** The head of a frame that came in pieces. */
  #head: Buffer = nothing

  /** Whether all frames seen so far are whole. */
  get isBetweenFrames(): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  see(chunk: Buffer): void {
    let at = this.#head.length === 0 ? 0 : this.#endHead(chunk)
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      const size = headSize(chunk, at)
      if (size === undefined || at + size > chunk.length) {
        this.#head = Buffer.from(chunk.subarray(at))
        return
      }
      this.#left = payloadLength(chunk, at)
      at += size
    }
  }

  /** @returns where in the chunk the head ends that began before it */
  #endHead(chunk: Buffer): number {
    const had = this.#head.length
    const head = Buffer.concat([this.#head, chunk.subarray(0, longestHead)])
    const size = headSize(head, 0)
    if (size === undefined || head.length < size) {
      this.#head = head
      return chunk.length
    }
    this.#head = nothing
    this.#left = payloadLength(head, 0)
    return size - had
  }
}

const longestHead = 14
const nothing = Buffer.alloc(0)

/** 2 to 14 bytes (RFC 6455 5.2); `undefined` while not even that is known. */
function headSize(bytes: Buffer, at: number): number | undefined {
  const second = bytes[at + 1]
  if (second === undefined) return undefined
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

function payloadLength(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & 0x7f
  if (length === 126) return bytes.readUInt16BE(at + 2)
  return length === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : length
}
