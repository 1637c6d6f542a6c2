import { Worker } from 'node:worker_threads'
import type { HashWork } from './password-work.js'

/** A password as `argon2` gets it, ours among them, and as it was typed, for hashes other systems made. */
export interface Typed {
  readonly own: string
  readonly foreign: string
}

/** What a thread does. */
export type Work =
  | { readonly kind: 'hash'; readonly password: string }
  | { readonly kind: 'verify'; readonly work: readonly HashWork[]; readonly typed: Typed }

/** What the thread is asked, and answers. */
export type PasswordThreadQuestion = Work & { readonly id: number }
export interface PasswordThreadAnswer {
  readonly id: number
  /** The hash, or whether the password is right. */
  readonly found?: string | boolean
  readonly failure?: string
}

interface Waiting {
  resolve(found: unknown): void
  reject(fault: Error): void
}

/**
 * Hashes passwords in a thread of its own, one after the other. Not in the pool of threads that `dns` and `fs` use too,
 * which a few sign-ins would fill; and after everything else that wants the processor: a proxied request is over in less
 * than a tenth of a millisecond and somebody waits for the next one, a hash takes ten. The thread starts with the first
 * password and does not keep the process.
 */
export class PasswordThread {
  #worker: Worker | undefined
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  /** The hash in PHC form. */
  hash(password: string): Promise<string> {
    return this.#ask({ kind: 'hash', password }) as Promise<string>
  }

  /** Does all of the work, in order. @returns whether the password is right for the first of it */
  verify(work: readonly HashWork[], typed: Typed): Promise<boolean> {
    return this.#ask({ kind: 'verify', work, typed }) as Promise<boolean>
  }

  #ask(work: Work): Promise<unknown> {
    const worker = this.#worker ?? this.#start()
    this.#last += 1
    const question: PasswordThreadQuestion = { ...work, id: this.#last }
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject })
      worker.ref()
      worker.postMessage(question)
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./password-thread-work.js', import.meta.url), { execArgv: [] })
    this.#worker = worker
    worker.on('message', ({ id, found, failure }: PasswordThreadAnswer) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) worker.unref()
      if (failure === undefined) waiting?.resolve(found)
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
