import type { IncomingMessage } from 'node:http'

/**
 * Whether a WebSocket is asked for by a page of the application itself.
 *
 * Browsers let any page open a WebSocket to any host and send that host's cookies along (cross-site WebSocket hijacking,
 * CWE-1385); all that gives the page away is `Origin`, which browsers always send with the handshake and no page can
 * change. So an `Origin` must be the host that was asked, or one that is allowed by name, on public paths too: an
 * application's own cookies travel the same way. A request without `Origin` was not made by a page; but one that carries other
 * marks of a browser is refused, because then somebody took the `Origin` away.
 *
 * @param allowed origins as browsers write them, `https://app.example.com`
 */
export function isFromOwnPage(
  { headers }: Pick<IncomingMessage, 'headers'>,
  scheme: 'http' | 'https',
  allowed: readonly string[],
): boolean {
  const { origin, host } = headers
  if (origin === undefined) return headers['sec-fetch-site'] === undefined && headers['sec-fetch-mode'] === undefined
  if (allowed.includes(origin)) return true
  const page = parse(origin)
  // TLS may end in front of us, so an https page may come by http; never the other way round.
  if (page === undefined || (scheme === 'https' && page.protocol !== 'https:')) return false
  // Read by the page's own scheme, which says what port a host without one has.
  return page.host === parse(`${page.protocol}//${host}`)?.host
}

function parse(origin: string): URL | undefined {
  if (!/^https?:\/\/[^/?#@\\]+$/.test(origin) || !URL.canParse(origin)) return undefined
  return new URL(origin)
}
