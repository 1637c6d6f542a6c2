import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Core } from '../app.js'
import { type ConfigProblem, formatProblem } from '../config/problem.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import { checkConfig } from '../plugin-host/check-config.js'
import { sentenceOf } from './error-text.js'

/** What came of it. Refused: nothing has changed. */
export type ReloadOutcome =
  | { readonly outcome: 'reloaded' }
  | { readonly outcome: 'refused'; readonly problems: readonly ConfigProblem[]; readonly sentence?: string }

/** What reads its configuration anew. */
export interface Reloadable {
  readonly config: Config
  readonly audit: Pick<Core['audit'], 'record'>
  /** Builds it beside what runs. @throws in words for the operator */
  prepare(
    config: Config,
  ): Promise<{ readonly audit: Pick<Core['audit'], 'record'>; commit(): void; discard(): Promise<void> }>
}

/** Mistakes that go into one audit entry; the log has all of them. */
const mistakesKept = 20

/**
 * Reads the file anew when asked to: checked whole, built beside what runs, and only then put in its place. One at a
 * time, and however often it is asked for meanwhile, once more after that. It never takes more than half of the
 * process's time.
 */
export class Reload {
  readonly #running: Reloadable
  readonly #log: Logger
  readonly #env: NodeJS.ProcessEnv
  #underWay: Promise<ReloadOutcome> | undefined
  #next: Promise<ReloadOutcome> | undefined

  constructor(running: Reloadable, log: Logger, env: NodeJS.ProcessEnv) {
    this.#running = running
    this.#log = log
    this.#env = env
  }

  /** Never rejects. @param by as in `SIGHUP` */
  request(by: string): Promise<ReloadOutcome> {
    if (this.#underWay === undefined) return this.#begin(by)
    this.#next ??= this.#underWay.then(() => {
      this.#next = undefined
      return this.#begin(by)
    })
    return this.#next
  }

  #begin(by: string): Promise<ReloadOutcome> {
    const started = performance.now()
    const outcome = this.#reload(by)
    this.#underWay = outcome.finally(async () => {
      await pause(performance.now() - started)
      this.#underWay = undefined
    })
    return outcome
  }

  async #reload(by: string): Promise<ReloadOutcome> {
    const { config: running } = this.#running
    const { file } = running
    try {
      const checked = await checkConfig(file, this.#env, running)
      if ('problems' in checked) return await this.#refuse({ by, file, problems: checked.problems })
      const next = await this.#running.prepare(checked.config)
      try {
        await next.audit.record({ event: 'config.reloaded', outcome: 'success', details: { file, by } })
      } catch (fault) {
        await next.discard()
        throw fault
      }
      next.commit()
      this.#log.info({ file, by, sites: checked.config.sites.length }, 'the configuration was read anew')
      return { outcome: 'reloaded' }
    } catch (fault) {
      return this.#refuse({ by, file, problems: [], sentence: sentenceOf(fault) })
    }
  }

  async #refuse(refused: {
    by: string
    file: string
    problems: readonly ConfigProblem[]
    sentence?: string
  }): Promise<ReloadOutcome> {
    const { by, file, problems, sentence } = refused
    const words = sentence === undefined ? problems.map(formatProblem) : [sentence]
    this.#log.error({ file, by, problems: words }, 'the changed configuration was refused, and nothing has changed')
    const mistakes = sentence === undefined ? problems.slice(0, mistakesKept).map(shortly) : words
    await this.#running.audit
      .record({ event: 'config.refused', outcome: 'refused', details: { file, by, mistakes } })
      .catch((err: unknown) => this.#log.error({ err }, 'a refused configuration could not be written down'))
    return { outcome: 'refused', problems, ...(sentence === undefined ? {} : { sentence }) }
  }
}

function shortly({ line, column, path, message }: ConfigProblem): string {
  return `${line}:${column} ${path === '' ? '' : `${path}: `}${message}`
}
