import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Eta } from 'eta'
import { samples } from './samples.js'

const BUILT_IN = fileURLToPath(new URL('../../../../templates/pages/', import.meta.url))
/** What an operator's directory can hold. */
const ROOMS = ['pages', 'mail', 'sms', 'assets']
const SECOND_FACTOR = /^second-factors\/[a-z0-9-]+\/(verify|enrol)\.eta$/

/** An operator's template that cannot be used. Stops the start: a page that fails at midnight locks everybody out. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/**
 * Every page as a compiled function, held in memory. A file of the operator's directory takes the place of the
 * built-in file of the same name; the rest stays. Nothing is read from disk after the start.
 */
export class Templates extends Eta {
  readonly #texts = new Map<string, { readonly file: string; readonly text: string }>()

  /**
   * @param overrides the operator's directory: its `pages/` mirrors ours
   * @throws TemplateError for a file that replaces nothing, or does not compile
   */
  constructor(overrides?: string) {
    super({ autoEscape: true, cache: true })
    this.#read(BUILT_IN)
    if (overrides !== undefined) this.#override(overrides)
    for (const name of this.#texts.keys()) this.#compile(name)
    if (overrides !== undefined) this.#tryAll()
  }

  override resolvePath = (name: string) => (name.endsWith('.eta') ? name : `${name}.eta`)

  override readFile = (name: string) => {
    const found = this.#texts.get(name)
    if (found === undefined) throw new TemplateError(`There is no template "${name}".`)
    return found.text
  }

  /** The partial of one second factor, or the one that suits any that asks for a code. */
  secondFactor(use: string, step: 'verify' | 'enrol'): string {
    const own = `second-factors/${use}/${step}`
    return this.#texts.has(`${own}.eta`) ? own : `second-factors/generic/${step}`
  }

  #read(directory: string): string[] {
    const names: string[] = []
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory() || !entry.name.endsWith('.eta')) continue
      const file = join(entry.parentPath, entry.name)
      const name = relative(directory, file).replaceAll('\\', '/')
      this.#texts.set(name, { file, text: readFileSync(file, 'utf8') })
      names.push(name)
    }
    return names
  }

  #override(directory: string): void {
    if (!ROOMS.some((room) => existsSync(join(directory, room)))) {
      throw new TemplateError(`${directory} should hold templates, but has none of: ${ROOMS.join(', ')}.`)
    }
    const pages = join(directory, 'pages')
    if (!existsSync(pages)) return
    const builtIn = new Set(this.#texts.keys())
    const names = this.#read(pages)
    const stray = names.find((name) => !builtIn.has(name) && !SECOND_FACTOR.test(name))
    if (stray === undefined) return
    throw new TemplateError(`${join(pages, stray)} replaces nothing. There are: ${[...builtIn].sort().join(', ')}.`)
  }

  #compile(name: string): void {
    try {
      this.templatesSync.define(name, this.compile(this.readFile(name), { filepath: name }))
    } catch (error) {
      throw this.#problem(name, error)
    }
  }

  /** What compiles can still reach for what is not there. */
  #tryAll(): void {
    for (const [name, data] of samples((use, step) => this.secondFactor(use, step))) {
      try {
        this.render(name, data)
      } catch (error) {
        throw this.#problem(`${name}.eta`, error)
      }
    }
  }

  #problem(name: string, error: unknown): TemplateError {
    return new TemplateError(`${this.#texts.get(name)?.file ?? name}: ${words(error)}`)
  }
}

function words(error: unknown): string {
  // Behind the first paragraph of a syntax error eta prints the whole function it made of the template.
  return error instanceof Error ? error.message.split('\n====')[0]?.trim() || error.name : String(error)
}
