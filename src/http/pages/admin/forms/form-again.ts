import type { Refusal } from '../../../../operations/operation.js'

/** What a form is shown again with. */
export interface FormAgain {
  /** Name of the operation: a page may have the forms of several. */
  readonly operation: string
  readonly code: Refusal['code']
  /** By the name of the field. */
  readonly typed: Readonly<Record<string, string | readonly string[]>>
  /** What is wrong, by the name of the field. */
  readonly faults: Readonly<Record<string, string>>
  /** What is wrong and stands at no field. */
  readonly problem: string | undefined
}
