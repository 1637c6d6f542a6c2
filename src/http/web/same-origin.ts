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

/**
 * Whether a page of another site made the browser send this, by its own word.
 * @param own the origin that was asked, as in `https://crm.example.com`
 */
export function isFromAnotherSite({ 'sec-fetch-site': site, origin }: IncomingHttpHeaders, own: string): boolean {
  if (site !== undefined) return site === 'cross-site' || site === 'same-site'
  return origin !== undefined && origin !== 'null' && origin !== own
}

/**
 * Whether the browser itself says so, beyond doubt: no page can set these fields. To be asked of requests alone that
 * {@link isSameOrigin} has let pass, as all forms of ours are.
 */
export function isSurelySameOrigin({ 'sec-fetch-site': site, origin }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site === 'same-origin'
  return origin !== undefined && origin !== 'null'
}
