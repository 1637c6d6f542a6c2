import { spawn } from 'node:child_process'
import type { Logger } from '../contracts.js'
import type { ReloadOutcome } from './reload.js'

/**
 * What systemd is told of a service of `Type=notify` (sd_notify(3)). Node cannot write to the datagram socket it names, so
 * `systemd-notify` does, which comes with systemd; the unit needs `NotifyAccess=all`. Without `NOTIFY_SOCKET` nothing is
 * told to anybody.
 */
export class ServiceNotices {
  readonly #env: NodeJS.ProcessEnv
  readonly #log: Logger
  readonly #isAsked: boolean
  #watchdog: NodeJS.Timeout | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(env: NodeJS.ProcessEnv, log: Logger) {
    this.#env = env
    this.#log = log
    this.#isAsked = env['NOTIFY_SOCKET'] !== undefined && env['NOTIFY_SOCKET'] !== ''
  }

  /** From now on also that this process still turns, twice in each time that the unit allows for it. */
  ready(): void {
    this.#tell('READY=1', 'STATUS=Serving requests')
    const everyMs = Number(this.#env['WATCHDOG_USEC'] ?? 0) / 2000
    if (!this.#isAsked || !(everyMs >= 500)) return
    this.#watchdog = setInterval(() => this.#tell('WATCHDOG=1'), everyMs).unref()
  }

  /** Reloads that are told of, however many are asked for at once: when the first begins and when the last is over. */
  aboutReloads(reload: (by: string) => Promise<ReloadOutcome>): (by: string) => Promise<ReloadOutcome> {
    let underWay = 0
    return async (by) => {
      if (underWay === 0) this.#tell('RELOADING=1', 'STATUS=Reading the configuration anew')
      underWay += 1
      const outcome = await reload(by)
      underWay -= 1
      const refused = outcome.outcome === 'refused' ? '; the changed configuration was refused' : ''
      if (underWay === 0) this.#tell('READY=1', `STATUS=Serving requests${refused}`)
      return outcome
    }
  }

  /** The watchdog goes on until the process ends: stopping has its own deadline. */
  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=Answering what is under way')
  }

  /** Resolves when what was told has been passed on. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog)
    await this.#last
  }

  /** In order: a process each, the next when the one before has ended. */
  #tell(...words: readonly string[]): void {
    if (!this.#isAsked) return
    this.#last = this.#last.then(() => this.#run(words))
  }

  #run(words: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const notify = spawn('systemd-notify', [...words], { env: this.#env, stdio: 'ignore', timeout: 5000 })
      notify.once('error', (err) => {
        this.#log.warn({ err }, 'systemd could not be told: install systemd-notify, or use Type=exec in the unit')
        resolve()
      })
      notify.once('exit', () => resolve())
    })
  }
}
