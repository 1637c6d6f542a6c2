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
  #head = Buffer.alloc(0)

  /** Whether all frames seen so far are whole. */
  get isBetweenFrames(): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  see(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      const had = this.#head.length
      const head = had === 0 ? chunk.subarray(at, at + 14) : Buffer.concat([this.#head, chunk.subarray(at, at + 14)])
      const size = headSize(head)
      if (size === undefined || head.length < size) {
        this.#head = Buffer.from(head)
        return
      }
      this.#head = Buffer.alloc(0)
      at += size - had
      this.#left = payloadLength(head)
    }
  }
}

/** 2 to 14 bytes (RFC 6455 5.2); `undefined` while not even that is known. */
function headSize(head: Buffer): number | undefined {
  const second = head[1]
  if (second === undefined) return undefined
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

function payloadLength(head: Buffer): number {
  const length = (head[1] ?? 0) & 0x7f
  if (length === 126) return head.readUInt16BE(2)
  return length === 127 ? Number(head.readBigUInt64BE(2)) : length
}
