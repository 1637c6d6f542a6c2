import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TemplateError, TemplateFolder } from '../../templates.js'
import { samples } from './samples.js'

/** What an operator's directory can hold. */
const FOLDERS = ['pages', 'mail', 'sms', 'assets']

/** Every page as a compiled function, ours or the operator's. */
export class Templates extends TemplateFolder {
  /**
   * @param overrides the operator's directory: its `pages/` mirrors ours, and may have second factors that ours has not
   * @throws TemplateError for a file that replaces nothing, does not compile, or reaches for what is not there
   */
  constructor(overrides?: string) {
    super({ folder: 'pages', ending: '.eta', mayAdd: /^second-factors\/[a-z0-9-]+\/(verify|enrol)$/ }, overrides)
    if (overrides === undefined) return
    // Files put beside these folders instead of into them would be passed over in silence.
    if (!FOLDERS.some((folder) => existsSync(join(overrides, folder)))) {
      throw new TemplateError(`${overrides} should hold templates, but has none of: ${FOLDERS.join(', ')}`)
    }
    const turns = samples((use, step) => this.secondFactor(use, step))
    for (const [name, data] of turns) this.fill(name, data)
  }

  /** Also with the ending, which @fastify/view adds. */
  override resolvePath = (name: string) => name.replace(/\.eta$/, '')

  /** The partial of one second factor, or the one that suits any that asks for a code. */
  secondFactor(use: string, step: 'verify' | 'enrol'): string {
    const own = `second-factors/${use}/${step}`
    return this.has(own) ? own : `second-factors/generic/${step}`
  }
}
