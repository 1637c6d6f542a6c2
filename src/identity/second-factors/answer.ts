import type { BrowserSecondFactor, CheckedSecondFactor, SecondFactor, SentSecondFactor } from '../../contracts.js'

/** What the user meant: `123 456`, `123-456` and full-width digits are the same code. */
export function cleanAnswer(text: string): string {
  // Far longer than any code: see foldUsername for what normalizing it would cost.
  if (text.length > 256) return text
  return text.normalize('NFKC').replace(/[\s\p{Pd}\p{Cf}]/gu, '')
}

/** Whether the factor judges answers that are typed; of the others the gateway sends the code, or a script asks. */
export function isChecked(factor: SecondFactor): factor is CheckedSecondFactor {
  return !('sends' in factor) && !('asks' in factor)
}

/** Whether a script of the page asks for it. */
export function isAskedInBrowser(factor: SecondFactor): factor is BrowserSecondFactor {
  return 'asks' in factor
}

/** Whether the gateway draws and sends the code for this factor: alone, or in the same mail as a link. */
export function sendsCode(factor: SecondFactor): factor is SentSecondFactor {
  return 'sends' in factor
}
