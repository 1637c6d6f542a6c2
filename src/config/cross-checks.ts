import type { Complaint } from './complaints.js'

/** What only shows when several keys are looked at together. Takes the value as it was written, right or wrong. */
export function checkTogether(_value: unknown, _baseDirectory: string): Complaint[] {
  return []
}
