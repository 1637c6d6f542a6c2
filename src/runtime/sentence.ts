/** What a person at the terminal needs of an error: its sentences, from the outside in, and no stack. */
export function sentenceOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  if (fault.cause === undefined) return fault.message
  return `${fault.message}\n  ${sentenceOf(fault.cause)}`
}
