/**
 * What people hold in their hands: whoever has the other half of it (a cookie, a link, a code) is let in or a step further.
 * It is never taken over from a backup, or what was ended since it was made would open something again.
 */
const held = [
  'branch/',
  'changing-password/',
  'code/',
  'contact/',
  'device-of/',
  'device/',
  'epoch',
  'link-of/',
  'link/',
  'not-me/',
  'pending/',
  'recovery-code/',
  'sealed/',
  'session-of/',
  'session/',
  'setup-link',
  'ticket/',
  'waiting-form/',
]

/** Whether an entry of the store belongs to a sign-in that is open or under way, and to nothing that lasts. */
export function isNeverRestored(key: string): boolean {
  return held.some((prefix) => key.startsWith(prefix))
}
