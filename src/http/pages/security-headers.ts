import type { FastifyHelmetOptions } from '@fastify/helmet'

/**
 * Only what a page of ours is made of, from our own host. `form-action` also counts for where a form's answer redirects
 * to, so a return path is on the same host, or the page names the one origin it leads to.
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

/** The policy of one page whose form leads on to another origin. */
export function policyLeadingTo(origin: string): string {
  return contentPolicy({ ...directives, 'form-action': ["'self'", origin] })
}

function contentPolicy(sourcesOf: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(sourcesOf)
    .map(([name, sources]) => `${name} ${sources.join(' ')}`)
    .join(';')
}

/** Of the one page that may be shown within others: it has nothing but a link to press, and asks for nothing. */
export function framedHeaders(secure: boolean): Readonly<Record<string, string>> {
  const { 'frame-ancestors': _, ...rest } = directives
  const { 'x-frame-options': __, ...headers } = pageHeaders(secure)
  return { ...headers, 'content-security-policy': contentPolicy({ ...rest, 'frame-ancestors': ['*'] }) }
}

/**
 * Of a page that sends an application's own form: where its answer leads is the application's business. Its form has no
 * address but that of the page.
 */
export function sendingHeaders(secure: boolean): Readonly<Record<string, string>> {
  const { 'form-action': _, ...rest } = directives
  return { ...pageHeaders(secure), 'content-security-policy': contentPolicy(rest) }
}

/** The same for a page that is answered outside the scope of the hosted pages. */
export function pageHeaders(secure: boolean): Readonly<Record<string, string>> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': contentPolicy(directives),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    ...(secure && { 'strict-transport-security': `max-age=${transportSecurity.maxAge}` }),
  }
}
