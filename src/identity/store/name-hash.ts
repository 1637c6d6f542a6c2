import { foldUsername } from '../../contracts.js'
import { hashOf } from './random-token.js'

/**
 * What budgets count a name by, known or unknown: a hash, because people type passwords into the field for the name,
 * and because a name can be of any length.
 */
export function nameHash(username: string): string {
  return hashOf(foldUsername(username))
}
