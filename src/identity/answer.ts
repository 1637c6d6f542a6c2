import type { CheckedSecondFactor, SecondFactor, SentSecondFactor } from '../contracts.js'

/** What the user meant: `123 456`, `123-456` and full-width digits are the same code. */
export function cleanAnswer(text: string): string {
  return text.normalize('NFKC').replace(/[\s\p{Pd}\p{Cf}]/gu, '')
}

/** Whether the factor judges answers itself; the others send what the gateway made up. */
export function isChecked(factor: SecondFactor): factor is CheckedSecondFactor {
  return !('sends' in factor)
}

/** Whether the gateway draws and sends the code for this factor: alone, or in the same mail as a link. */
export function sendsCode(factor: SecondFactor): factor is SentSecondFactor {
  return 'sends' in factor
}
