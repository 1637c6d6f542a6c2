import { isUtf8 } from 'node:buffer'

/** What a client can say, and what the server says back. */
export interface Frame {
  readonly kind: 'text' | 'close' | 'ping' | 'pong'
  readonly payload: Buffer
}

/** The client broke the protocol; the code goes into the close frame (RFC 6455, 7.4.1). */
export class FrameFault extends Error {
  readonly closeCode: number
  constructor(closeCode: number) {
    super(`WebSocket protocol fault ${closeCode}`)
    this.closeCode = closeCode
  }
}

const opcodes = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const
const maxMessageBytes = 16 * 1024

/** One unmasked, unfragmented frame, as servers send them. */
export function frameOf(kind: Frame['kind'], payload: Buffer): Buffer {
  const short = payload.length < 126
  const header = Buffer.alloc(short ? 2 : payload.length < 2 ** 16 ? 4 : 10)
  header[0] = 0x80 | opcodes[kind]
  if (short) header[1] = payload.length
  else if (header.length === 4) {
    header[1] = 126
    header.writeUInt16BE(payload.length, 2)
  } else {
    header[1] = 127
    header.writeBigUInt64BE(BigInt(payload.length), 2)
  }
  return Buffer.concat([header, payload])
}

/** Makes whole messages of a client's bytes, however they were cut on the way. */
export class FrameReader {
  #unread = Buffer.alloc(0)
  #fragments: Buffer[] = []
  #fragmentBytes = 0
  #inMessage = false

  push(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk])
  }

  /**
   * The next whole message; `undefined` until more bytes come.
   * @throws {@link FrameFault}
   */
  next(): Frame | undefined {
    for (let frame = this.#cut(); frame; frame = this.#cut()) {
      const message = this.#assemble(frame)
      if (message) return message
    }
    return undefined
  }

  #cut(): { opcode: number; final: boolean; payload: Buffer } | undefined {
    const bytes = this.#unread
    if (bytes.length < 2) return undefined
    const [first, second] = [bytes.readUInt8(0), bytes.readUInt8(1)]
    const opcode = first & 0x0f
    const final = (first & 0x80) !== 0
    const isControl = opcode >= 0x8
    const shortLength = second & 0x7f
    if ((first & 0x70) !== 0 || (second & 0x80) === 0) throw new FrameFault(1002)
    if (isControl && (!final || shortLength > 125)) throw new FrameFault(1002)
    // A 64-bit length is always more than is taken here: refused before any of it is kept.
    if (shortLength === 127) throw new FrameFault(1009)
    const lengthBytes = shortLength === 126 ? 2 : 0
    if (bytes.length < 2 + lengthBytes) return undefined
    const length = lengthBytes === 0 ? shortLength : bytes.readUInt16BE(2)
    if (length + this.#fragmentBytes > maxMessageBytes) throw new FrameFault(1009)
    const start = 2 + lengthBytes + 4
    if (bytes.length < start + length) return undefined
    const mask = bytes.subarray(start - 4, start)
    const payload = bytes.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0))
    this.#unread = bytes.subarray(start + length)
    return { opcode, final, payload: Buffer.from(payload) }
  }

  #assemble({ opcode, final, payload }: { opcode: number; final: boolean; payload: Buffer }): Frame | undefined {
    if (opcode === opcodes.ping) return { kind: 'ping', payload }
    if (opcode === opcodes.pong) return { kind: 'pong', payload }
    if (opcode === opcodes.close) return { kind: 'close', payload }
    if (opcode === 0x2) throw new FrameFault(1003)
    const isContinuation = opcode === 0x0
    if (opcode > opcodes.text || isContinuation !== this.#inMessage) throw new FrameFault(1002)
    this.#fragments.push(payload)
    this.#fragmentBytes += payload.length
    this.#inMessage = !final
    if (this.#fragments.length > 1024) throw new FrameFault(1009)
    if (!final) return undefined
    const message = Buffer.concat(this.#fragments)
    this.#fragments = []
    this.#fragmentBytes = 0
    if (!isUtf8(message)) throw new FrameFault(1007)
    return { kind: 'text', payload: message }
  }
}
