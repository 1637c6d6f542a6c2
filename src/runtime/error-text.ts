import { GatelodgeError } from '../errors.js'

interface ListenFault extends NodeJS.ErrnoException {
  readonly address?: string
  readonly port?: number
}

/** Of `listen`, as Node has it. */
function whyNotListening({ syscall, code, address, port }: ListenFault): string | undefined {
  if (syscall !== 'listen') return undefined
  const place = port === undefined || port < 0 ? address : `${address}:${port}`
  if (code === 'EADDRINUSE') return `${place} is taken by another program: stop that one, or change listen.`
  if (code === 'EACCES')
    return `${place} is not for this user to listen at: change listen to a port above 1023, or give the right (CAP_NET_BIND_SERVICE).`
  if (code === 'EADDRNOTAVAIL') return `${place} is no address of this machine: change listen.`
  return undefined
}

/** What a person at the terminal needs of an error: its sentences, from the outside in, and no stack. */
export function sentenceOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  const { message, cause } = fault
  const listening = whyNotListening(fault)
  if (listening !== undefined) return listening
  if (cause === undefined) return message
  // That is for people who sign in; what an operator can mend is said underneath.
  if (fault instanceof GatelodgeError && fault.code === 'store.unavailable') return sentenceOf(cause)
  const inner = sentenceOf(cause)
  return message.includes(inner) ? message : `${message}\n  ${inner}`
}
