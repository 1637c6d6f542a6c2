import type { Json } from '../../contracts.js'

/** Settings that may be changed while the gateway runs, by the names the YAML file has for them. */
export type SettingKey =
  | 'secondFactor.required'
  | 'secondFactor.unenrolled'
  | 'session.duration'
  | 'session.idle'
  | 'networks'

/** One entry of `networks`. */
export interface NetworkEntry {
  readonly range: readonly string[]
  readonly access?: 'allow' | 'deny' | undefined
  readonly secondFactor?: 'required' | 'not-required' | undefined
  /** In the YAML file; those of the store have none. */
  readonly line?: number | undefined
}

/** What is wrong with a value, as for the file. */
export interface SettingProblem {
  /** As in `networks[0].range[1]`. */
  readonly path: string
  readonly message: string
  readonly accepted?: string
  readonly suggestion?: string
  /** All of it in lines, with the value and a caret under what is wrong. */
  readonly text: string
}

/** How settings are written: by the same rules as in the file. Lent by the room that knows the file. */
export interface SettingForms {
  readonly keys: readonly SettingKey[]
  /** What the file has, or would have: `line` where it is written there. */
  inFile(key: SettingKey): {
    readonly value: Json
    readonly origin: 'yaml' | 'default'
    readonly line?: number
    readonly locked: boolean
  }
  /**
   * Reads a value in YAML (so in JSON as well).
   * @returns `written` as the file would have it, and `value` as the gateway works with it
   */
  read(
    key: SettingKey,
    text: string,
  ): { readonly written: Json; readonly value: unknown } | { readonly problems: readonly SettingProblem[] }
  /** The key somebody most likely meant. */
  nearest(key: string): SettingKey | undefined
}

/** Where there is no file, as in the tests of this room: nothing can be changed. */
export const noForms: SettingForms = {
  keys: [],
  inFile: () => ({ value: null, origin: 'default', locked: true }),
  read: () => ({ problems: [] }),
  nearest: () => undefined,
}
