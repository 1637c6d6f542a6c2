import { connect, type Socket } from 'node:net'

/** One run of the load generator, as its parent asks for it. */
export interface LoadOrder {
  readonly port: number
  readonly path: string
  /** More header lines, each with its line end. */
  readonly headers: string
  readonly connections: number
  /** Answers to wait for. */
  readonly requests: number
}

export interface LoadReport {
  readonly requests: number
  readonly failures: number
  readonly milliseconds: number
  /** Of single requests, in milliseconds. */
  readonly p50: number
  readonly p99: number
}

const headEnd = Buffer.from('\r\n\r\n')

/**
 * Requests over and over on kept connections, by hand: a client with a parser of its own would take more of the machine
 * than what it measures.
 */
class Connection {
  readonly #socket: Socket
  readonly #request: Buffer
  readonly #onAnswer: (ms: number, status: number) => void
  #received: Buffer = Buffer.alloc(0)
  #since = 0
  #stopped = false

  constructor(order: LoadOrder, onAnswer: (ms: number, status: number) => void) {
    this.#request = Buffer.from(
      `GET ${order.path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n${order.headers}\r\n`,
    )
    this.#onAnswer = onAnswer
    this.#socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('connect', () => this.#send())
    this.#socket.on('data', (chunk) => this.#receive(chunk))
    this.#socket.on('error', () => this.#stopped || onAnswer(0, 0))
  }

  stop(): void {
    this.#stopped = true
    this.#socket.destroy()
  }

  #send(): void {
    this.#since = performance.now()
    this.#socket.write(this.#request)
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const end = this.#received.indexOf(headEnd)
    if (end < 0) return
    const head = this.#received.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#received.length < end + 4 + length) return
    this.#received = Buffer.alloc(0)
    this.#onAnswer(performance.now() - this.#since, Number(head.slice(9, 12)))
    if (!this.#stopped) this.#send()
  }
}

function run(order: LoadOrder): Promise<LoadReport> {
  const times: number[] = []
  let failures = 0
  const since = performance.now()
  return new Promise((resolve) => {
    const finish = () => {
      for (const connection of connections) connection.stop()
      const milliseconds = performance.now() - since
      times.sort((a, b) => a - b)
      const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
      resolve({ requests: times.length, failures, milliseconds, p50: at(0.5), p99: at(0.99) })
    }
    const onAnswer = (ms: number, status: number) => {
      if (status === 200) times.push(ms)
      else failures += 1
      if (times.length === order.requests || failures === order.connections) finish()
    }
    const connections = Array.from({ length: order.connections }, () => new Connection(order, onAnswer))
  })
}

if (process.send !== undefined) {
  process.on('message', async (order: LoadOrder) => process.send?.(await run(order)))
}
