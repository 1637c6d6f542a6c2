import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a form was sent from a page of our own. The attack: another site's page posts to us with the visitor's
 * cookies, or signs the visitor in under the attacker's name.
 *
 * `Sec-Fetch-Site` is believed before `Origin`: our pages carry `Referrer-Policy: no-referrer`, and with it browsers
 * send `Origin: null` even for our own forms. A client that sends neither is no browser of today; the form token,
 * which only the holder of our cookie can have read, is what remains to stop it.
 * @param own the origin this page is served under, as in `https://crm.example.com`
 */
export function isSameOrigin(headers: IncomingHttpHeaders, own: string): boolean {
  const site = headers['sec-fetch-site']
  const origin = headers.origin
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  if (origin === undefined) return true
  if (origin === 'null') return site === 'same-origin'
  return origin === own
}
