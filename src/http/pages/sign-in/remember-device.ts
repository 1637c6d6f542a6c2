import type { Session } from '../../../identity/sessions/sessions.js'
import type { Visit } from '../visit.js'

/** What the tick box on pages that ask for a code is made with; nothing where no browser is remembered. */
export function rememberFacts(visit: Visit): { readonly rememberFor?: string; readonly remember?: boolean } {
  const seconds = visit.parts.devices.rememberSeconds
  return seconds === undefined ? {} : { rememberFor: inWords(seconds), remember: isWanted(visit) }
}

/** Remembers this browser, where the box was ticked beside a code that was right. */
export async function rememberIfWanted(visit: Visit, session: Session): Promise<void> {
  if (!isWanted(visit)) return
  const { devices, pagePolicy } = visit.parts
  const client = pagePolicy.client(visit.request)
  // A browser is one device: what it was remembered as before would be a token nobody holds.
  await devices.forget(visit.deviceToken, client)
  const token = await devices.remember(session, client)
  if (token !== undefined) visit.rememberDevice(token)
}

function isWanted(visit: Visit): boolean {
  return visit.field('remember') !== ''
}

function inWords(seconds: number): string {
  const units = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ] as const
  const [name, size] = units.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['second', 1]
  const count = seconds / size
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
