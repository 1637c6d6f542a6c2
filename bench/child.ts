import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Bytes of CPU time, in seconds, spent by one process. */
interface Usage {
  readonly cpuSeconds: number
  readonly memoryMiB: number
}

/** A process under measurement that listens somewhere. */
export class Child {
  readonly #process: ChildProcess
  readonly port: number
  /** Headers that a request to it needs, as raw lines. */
  readonly headers: string

  private constructor(process: ChildProcess, port: number, headers: string) {
    this.#process = process
    this.port = port
    this.headers = headers
  }

  /** Starts `bench/sides/<name>.js` and waits until it listens. */
  static async start(name: string, ...args: string[]): Promise<Child> {
    const path = fileURLToPath(new URL(`./sides/${name}.js`, import.meta.url))
    const child = fork(path, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [ready] = (await Promise.race([once(child, 'message'), failure(child, name)])) as [
      { port: number; headers?: string },
    ]
    return new Child(child, ready.port, ready.headers ?? '')
  }

  async usage(): Promise<Usage> {
    this.#process.send('usage')
    const [usage] = (await once(this.#process, 'message')) as [Usage]
    return usage
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await gone
  }
}

async function failure(child: ChildProcess, name: string): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`${name} ended with ${code} before it listened`)
}

/** What a side calls when it listens: tells where, and from then on what it costs. */
export function ready(port: number, headers = ''): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuSeconds: (user + system) / 1e6, memoryMiB: process.memoryUsage.rss() / 2 ** 20 })
  })
  process.on('SIGTERM', () => process.exit(0))
  process.send?.({ port, headers })
}
