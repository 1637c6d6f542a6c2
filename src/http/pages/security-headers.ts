import type { FastifyHelmetOptions } from '@fastify/helmet'

/**
 * Only what a page of ours is made of, from our own host. `form-action` also counts for where a form's answer redirects
 * to, so a return path is always on the same host.
 */
const directives = {
  'default-src': ["'none'"],
  'style-src': ["'self'"],
  'script-src': ["'self'"],
  'img-src': ["'self'"],
  'form-action': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
}

/** Six months; not for sub-domains, which may be somebody else's. */
const transportSecurity = { maxAge: 15_552_000, includeSubDomains: false }

/** @param secure whether visitors come by https */
export function helmetOptions(secure: boolean): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: { useDefaults: false, directives },
    strictTransportSecurity: secure && transportSecurity,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  }
}

/** The same for a page that is answered outside the scope of the hosted pages. */
export function pageHeaders(secure: boolean): Readonly<Record<string, string>> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': Object.entries(directives)
      .map(([name, sources]) => `${name} ${sources.join(' ')}`)
      .join(';'),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    ...(secure && { 'strict-transport-security': `max-age=${transportSecurity.maxAge}` }),
  }
}
