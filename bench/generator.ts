import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Times } from './generators/orders.js'
import type { Order } from './generators/run.js'

/** Sends what it is told to from a process of its own. */
export class Generator {
  readonly #process: ChildProcess = fork(fileURLToPath(new URL('./generators/run.js', import.meta.url)))

  /** @throws when an answer was not 200, or a connection ended */
  async send(order: Order): Promise<Times> {
    this.#process.send(order)
    const [said] = (await once(this.#process, 'message')) as [{ times?: Times; fault?: string }]
    if (said.times === undefined) throw new Error(`${said.fault} (${order.kind}, port ${order.port}, ${order.path})`)
    return said.times
  }

  stop(): void {
    this.#process.kill()
  }
}
