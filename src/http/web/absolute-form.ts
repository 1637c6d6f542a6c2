import type { IncomingMessage } from 'node:http'

/**
 * Takes the scheme and host off a target in absolute form (RFC 9112, 3.2.2), as some proxies and programs send it, so that
 * everything from here on sees the origin form: what is judged, logged and forwarded.
 *
 * By the standard its host takes the place of `Host`. Programs in front that chose their way by `Host` would then have looked at
 * one site while we serve another, so the two have to be the same.
 * @returns `false` where they are not
 */
export function toOriginForm(request: Pick<IncomingMessage, 'url' | 'headers'>): boolean {
  const { url = '', headers } = request
  if (url.startsWith('/')) return true
  const [, scheme = '', authority, rest = ''] = /^(https?):\/\/([^/?#\\@]+)(.*)$/is.exec(url) ?? []
  // `*` and whatever else there is: nobody who reads targets takes it.
  if (authority === undefined) return true
  if (plainHost(authority, scheme) !== plainHost(headers.host ?? '', scheme)) return false
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  return true
}

function plainHost(host: string, scheme: string): string {
  return host.toLowerCase().replace(scheme.toLowerCase() === 'https' ? /:443$/ : /:80$/, '')
}
