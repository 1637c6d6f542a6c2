import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Eta } from 'eta'

const builtIn = fileURLToPath(new URL('../../templates/', import.meta.url))

/** An operator's template that cannot be used. Stops the start: a mail that fails at midnight locks somebody out. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/** One kind of template files: a folder under `templates/`, an ending, and how values are made harmless in it. */
export interface TemplateKind {
  readonly folder: string
  /** With its dot, as in `.html.eta`. */
  readonly ending: string
  /** Makes one value harmless. Left out: XML escaping. */
  readonly harmless?: (value: unknown) => string
  /** Names an operator may use besides ours. */
  readonly mayAdd?: RegExp
  /** Whether line breaks stay as they are written. Left out: the one after a tag goes. */
  readonly keepsLines?: boolean
}

/**
 * The templates of one kind, compiled and held in memory. A file in the operator's directory takes the place of the
 * built-in file of the same folder and name; the rest stays. Nothing is read from disk after the start.
 */
export class TemplateFolder extends Eta {
  readonly #ending: string
  readonly #texts = new Map<string, { readonly file: string; readonly text: string }>()

  /**
   * @param overrides the operator's directory, which mirrors `templates/`
   * @throws TemplateError for a file that replaces nothing, or does not compile
   */
  constructor({ folder, ending, harmless, mayAdd, keepsLines }: TemplateKind, overrides?: string) {
    super({ autoEscape: true, cache: true, ...(keepsLines ? { autoTrim: false } : {}) })
    this.#ending = ending
    const make = harmless ?? this.config.escapeFunction
    this.config.escapeFunction = (value) => {
      // Rather no mail than one that says "undefined" where a code should be.
      if (value === undefined || value === null) throw new TemplateError('A template names a value that is not there')
      return make(value)
    }
    this.#read(join(builtIn, folder))
    const theirs = overrides === undefined ? [] : this.#override(join(overrides, folder), mayAdd)
    // Ours compile: they are, each at its first use.
    for (const name of theirs) this.#compile(name)
  }

  /** Without their ending. */
  get names(): readonly string[] {
    return [...this.#texts.keys()]
  }

  has(name: string): boolean {
    return this.#texts.has(name)
  }

  override resolvePath = (name: string) => name.replace(/^\.\//, '')

  override readFile = (name: string) => {
    const found = this.#texts.get(name)
    if (found === undefined) throw new TemplateError(`There is no template ${name}${this.#ending}`)
    return found.text
  }

  /** @throws TemplateError naming the file, never the values */
  fill(name: string, values: object): string {
    try {
      return this.render(name, values)
    } catch (error) {
      throw this.#problem(name, error)
    }
  }

  #read(directory: string): string[] {
    const names: string[] = []
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory() || !entry.name.endsWith(this.#ending)) continue
      const file = join(entry.parentPath, entry.name)
      const name = relative(directory, file).slice(0, -this.#ending.length).replaceAll('\\', '/')
      this.#texts.set(name, { file, text: readFileSync(file, 'utf8') })
      names.push(name)
    }
    return names
  }

  /** @returns the names of what is there */
  #override(directory: string, mayAdd?: RegExp): readonly string[] {
    if (!existsSync(directory)) return []
    const ours = new Set(this.names)
    const theirs = this.#read(directory)
    const stray = theirs.find((name) => !ours.has(name) && !mayAdd?.test(name))
    if (stray === undefined) return theirs
    const file = `${join(directory, stray)}${this.#ending}`
    throw new TemplateError(`${file} replaces nothing. There are: ${[...ours].sort().join(', ')}`)
  }

  #compile(name: string): void {
    try {
      this.templatesSync.define(name, this.compile(this.readFile(name), { filepath: name }))
    } catch (error) {
      throw this.#problem(name, error)
    }
  }

  #problem(name: string, error: unknown): TemplateError {
    // Behind the first paragraph of a syntax error eta prints the whole function it made of the template.
    const words = error instanceof Error ? error.message.split('\n====')[0]?.trim() || error.name : String(error)
    return new TemplateError(`${this.#texts.get(name)?.file ?? name}: ${words}`)
  }
}
