import { GatelodgeError } from '../errors.js'

/** What a person at the terminal needs of an error: its sentences, from the outside in, and no stack. */
export function sentenceOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  const { message, cause } = fault
  if (cause === undefined) return message
  // That is for people who sign in; what an operator can mend is said underneath.
  if (fault instanceof GatelodgeError && fault.code === 'store.unavailable') return sentenceOf(cause)
  const inner = sentenceOf(cause)
  return message.includes(inner) ? message : `${message}\n  ${inner}`
}
