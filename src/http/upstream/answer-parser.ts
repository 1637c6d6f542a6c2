import { AnswerError, type AnswerHead, framingOf, parseHead, refuseBareLineFeed } from './answer-head.js'
import { lenientHeadEnd, strictForm } from './lenient-head.js'

/** Who is told what comes in, in order: a head, pieces of a body, an end. */
export interface AnswerSink {
  onHead(head: AnswerHead): void
  /** @param piece lent: it holds something else after the call */
  onBody(piece: Buffer): void
  /** The answer is whole. */
  onEnd(): void
}

/** Of a head, and of everything besides the data in a chunked body. */
const maxHeadBytes = 64 * 1024
const maxLineBytes = 4096

const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')
const chunkLine = /^([0-9a-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i

type State = 'idle' | 'head' | 'length' | 'until-close' | 'chunk-line' | 'chunk-data' | 'chunk-end' | 'trailers'

/**
 * Reads the answers of one upstream connection, one at a time (RFC 9112). Stricter than the standard asks: what two
 * readers might end at two places is no answer but an error, and so is every byte that nobody asked for. A connection with
 * an error is never used again, so no answer can be taken for that of another request.
 */
export class AnswerParser {
  readonly #sink: AnswerSink
  readonly #isLenient: boolean
  #state: State = 'idle'
  #method = ''
  #maySwitch = false
  /** What came of a head or line that is not whole yet. */
  #pending: Buffer | undefined
  /** Bytes of body still to come, in the whole or in this chunk. */
  #left = 0
  #trailerBytes = 0
  #keepAlive = false

  /** @param isLenient heads may be written as old devices write them; where an answer ends stays beyond doubt */
  constructor(sink: AnswerSink, isLenient = false) {
    this.#sink = sink
    this.#isLenient = isLenient
  }

  /**
   * An answer to a request of this method is expected from now on.
   * @param maySwitch 101 is an answer too: everything behind its head is its body
   */
  expect(method: string, maySwitch = false): void {
    this.#method = method
    this.#maySwitch = maySwitch
    this.#state = 'head'
    this.#keepAlive = false
  }

  /** Whether the connection may be used again once the answer has ended. */
  get keepAlive(): boolean {
    return this.#keepAlive
  }

  /**
   * @param chunk not kept
   * @throws {@link AnswerError}
   */
  read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#step(chunk, at)
  }

  /**
   * Nothing more will come.
   * @throws when something should have
   */
  finish(): void {
    if (this.#state === 'until-close') this.#end()
    else if (this.#state !== 'idle') throw new AnswerError('the connection ended before the answer')
  }

  /** @returns where to go on */
  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(chunk, at)
      case 'length':
      case 'chunk-data':
        return this.#readData(chunk, at)
      case 'until-close':
        this.#sink.onBody(at === 0 ? chunk : chunk.subarray(at))
        return chunk.length
      case 'chunk-line':
      case 'chunk-end':
      case 'trailers':
        return this.#readLine(chunk, at)
      case 'idle':
        throw new AnswerError('bytes that nobody asked for')
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    if (this.#isLenient) return this.#readLenientHead(chunk, at)
    const { bytes, start, next } = this.#upTo(headEnd, chunk, at, maxHeadBytes)
    if (bytes === undefined) {
      // The end that is waited for would never come.
      refuseBareLineFeed(this.#pending?.toString('latin1') ?? '')
      return next
    }
    const head = parseHead(bytes.toString('latin1', start, bytes.length - headEnd.length))
    this.#begin(head, false)
    return next
  }

  #readLenientHead(chunk: Buffer, at: number): number {
    const pending = this.#pending ?? Buffer.alloc(0)
    const whole = Buffer.concat([pending, chunk.subarray(at, at + maxHeadBytes + headEnd.length)])
    const from = Math.max(0, pending.length - headEnd.length)
    lenientHeadEnd.lastIndex = 0
    const found = lenientHeadEnd.exec(whole.toString('latin1', from))
    const end = found === null ? whole.length : from + lenientHeadEnd.lastIndex
    if (end > maxHeadBytes + headEnd.length) throw new AnswerError('a head or line without end')
    this.#pending = found === null ? whole : undefined
    if (found === null) return chunk.length
    const { text, isChanged } = strictForm(whole.toString('latin1', 0, end))
    this.#begin(parseHead(text, true), isChanged)
    return at + end - pending.length
  }

  /** @param isOdd what others might read otherwise is not read on behind: the connection ends with this answer */
  #begin(head: AnswerHead, isOdd: boolean): void {
    // Word that the answer is still being thought about; the real one follows. Nobody asked for another protocol.
    if (head.status < 200) {
      if (head.status !== 101) return
      if (!this.#maySwitch) throw new AnswerError('a protocol that nobody asked for')
      this.#state = 'until-close'
      this.#sink.onHead(head)
      return
    }
    const { length, keepAlive } = framingOf(head, this.#method, this.#isLenient)
    this.#keepAlive = keepAlive && !isOdd && !head.isRepeated
    if (length === 'chunked') this.#state = 'chunk-line'
    else if (length === 'until-close') this.#state = 'until-close'
    else {
      this.#state = 'length'
      this.#left = length
    }
    this.#trailerBytes = 0
    this.#sink.onHead(head)
    if (length === 0) this.#end()
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    this.#sink.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    if (this.#left === 0) {
      if (this.#state === 'length') this.#end()
      else this.#state = 'chunk-end'
    }
    return end
  }

  #readLine(chunk: Buffer, at: number): number {
    const { bytes, start, next } = this.#upTo(lineEnd, chunk, at, maxLineBytes)
    if (bytes === undefined) return next
    const line = bytes.toString('latin1', start, bytes.length - lineEnd.length)
    if (this.#state === 'chunk-end') {
      if (line !== '') throw new AnswerError('a chunk longer than it says')
      this.#state = 'chunk-line'
    } else if (this.#state === 'chunk-line') {
      const size = chunkLine.exec(line)?.[1]
      if (size === undefined) throw new AnswerError('a chunk without a size')
      this.#left = Number.parseInt(size, 16)
      this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    } else if (line === '') this.#end()
    else {
      // Trailers end here: an application cannot say in them what it may not say in its head.
      this.#trailerBytes += line.length
      if (this.#trailerBytes > maxHeadBytes) throw new AnswerError('trailers without end')
    }
    return next
  }

  /** Everything from `at` (with what was pending before it) up to and with the delimiter; `undefined` while it is not there. */
  #upTo(delimiter: Buffer, chunk: Buffer, at: number, most: number) {
    const pending = this.#pending
    if (pending === undefined) {
      const found = chunk.indexOf(delimiter, at)
      if (found >= 0 && found - at <= most) {
        const next = found + delimiter.length
        return { bytes: next === chunk.length ? chunk : chunk.subarray(0, next), start: at, next }
      }
      if (found >= 0 || chunk.length - at > most) throw new AnswerError('a head or line without end')
      this.#pending = Buffer.from(chunk.subarray(at))
      return { bytes: undefined, start: 0, next: chunk.length }
    }
    // The delimiter may itself have come in two pieces. No more is copied than a head or line may have.
    const part = chunk.subarray(at, at + most + delimiter.length)
    const whole = Buffer.concat([pending, part])
    const found = whole.indexOf(delimiter, Math.max(0, pending.length - delimiter.length + 1))
    if (found > most || (found < 0 && whole.length > most)) throw new AnswerError('a head or line without end')
    if (found < 0) {
      this.#pending = whole
      return { bytes: undefined, start: 0, next: chunk.length }
    }
    this.#pending = undefined
    const end = found + delimiter.length
    return { bytes: whole.subarray(0, end), start: 0, next: at + end - pending.length }
  }

  #end(): void {
    this.#state = 'idle'
    this.#sink.onEnd()
  }
}
