import { Worker } from 'node:worker_threads'

/** What the thread is asked, and answers. */
export interface Question {
  readonly id: number
  readonly hash: string
  readonly password: string
}
export interface Answer {
  readonly id: number
  readonly right: boolean
  readonly failure?: string
}

interface Waiting {
  resolve(right: boolean): void
  reject(fault: Error): void
}

/**
 * Verifies foreign hashes in a thread of its own, one after the other: most of them are loops in JavaScript, and nothing
 * is proxied while the main thread runs one. The thread starts with the first such hash and does not keep the process.
 */
export class OffLoop {
  #worker: Worker | undefined
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  verify(hash: string, password: string): Promise<boolean> {
    const worker = this.#worker ?? this.#start()
    this.#last += 1
    const question: Question = { id: this.#last, hash, password }
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject })
      worker.ref()
      worker.postMessage(question)
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread.js', import.meta.url), { execArgv: [] })
    this.#worker = worker
    worker.on('message', ({ id, right, failure }: Answer) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) worker.unref()
      if (failure === undefined) waiting?.resolve(right)
      else waiting?.reject(new Error(failure))
    })
    worker.once('error', (fault) => this.#lose(worker, fault))
    worker.once('exit', (code) => this.#lose(worker, new Error(`The thread for hashes ended with ${code}`)))
    return worker
  }

  /** What was asked is not known; the next question starts another thread. */
  #lose(worker: Worker, fault: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(fault)
    this.#waiting.clear()
  }
}
