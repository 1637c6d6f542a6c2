import { hopByHop } from '../../access/hop-by-hop.js'

/** What becomes of a header by its name. */
export const treat = {
  keep: 0,
  drop: 1,
  cookie: 2,
  connection: 3,
  authorization: 4,
  location: 5,
  setCookie: 6,
  referer: 7,
  clearSiteData: 8,
  serviceWorkerAllowed: 9,
  destination: 10,
  condition: 11,
  link: 12,
  refresh: 13,
} as const
export type Treatment = (typeof treat)[keyof typeof treat]

/** Never a client's to say: identity, where a request came from, and what it "really" asks for. */
const owned = new Set([
  'remote-user',
  'remote-email',
  'remote-groups',
  'remote-group',
  'remote-name',
  'x-remote-user',
  'x-remote-email',
  'x-remote-groups',
  'x-remote-group',
  'x-remote-name',
  'x-webauth-user',
  'x-authenticated-user',
  'x-authenticated-userid',
  'x-authenticated-groups',
  'auth-user',
  'forwarded',
  'x-forwarded',
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'client-ip',
  'true-client-ip',
  'x-true-client-ip',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-remote-ip',
  'x-remote-addr',
  'x-remote-address',
  'remote-addr',
  'remote-host',
  'x-proxyuser-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'fastly-client-ip',
  'x-azure-clientip',
  'x-appengine-user-ip',
  'x-envoy-external-address',
  'x-host',
  'x-scheme',
  'x-url-scheme',
  'front-end-https',
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-original-method',
  'x-original-forwarded-for',
  'x-rewrite-url',
  'x-http-host-override',
  // Rack reads these two from requests and then serves files by them (CVE-2025-27111 and relatives).
  'x-sendfile-type',
  'x-accel-mapping',
  // Who a client's certificate belongs to.
  'x-client-cert',
  'x-client-certificate',
  'x-client-dn',
  'x-client-verify',
  'x-arr-clientcert',
  'client-cert',
  'client-cert-chain',
  ...hopByHop,
  'host',
  'expect',
])

/** A request with one of these is judged as both methods, and keeps the header: see `overridesOf`. */
export const methodOverrides: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

/** Whole families. `proxy-` takes `Proxy` (httpoxy, CVE-2016-5385) along as a name of its own below. */
const ownedPrefixes = [
  'x-forwarded-',
  'x-auth-request-',
  'x-gatelodge-',
  'x-ssl-',
  'ssl-',
  'x-client-ssl-',
  'x-amzn-mtls-',
  'proxy-',
  'wl-proxy-',
]

/** Whether a name, folded, is the gateway's to say, or one hop's. */
export function isOwned(folded: string): boolean {
  return owned.has(folded) || folded === 'proxy' || ownedPrefixes.some((prefix) => folded.startsWith(prefix))
}

/**
 * In lower case, everything but letters and digits folded to `-`: CGI and WSGI turn `X_Remote_User`, and older Apache also
 * `X.Remote.User`, into the variable that `X-Remote-User` becomes.
 */
export function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

const responseHopByHop = new Set([...hopByHop, 'proxy-authenticate', 'proxy-authentication-info'])

/** What becomes of a header of an application's answer. */
export function responseTreatment(name: string): Treatment {
  const lower = name.toLowerCase()
  if (lower === 'connection') return treat.connection
  // Network Error Logging covers the origin: its collector would be sent addresses of our pages, tokens in links included.
  if (lower === 'nel') return treat.drop
  if (lower === 'clear-site-data') return treat.clearSiteData
  if (lower === 'service-worker-allowed') return treat.serviceWorkerAllowed
  if (responseHopByHop.has(lower) || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower)) return treat.drop
  if (lower === 'set-cookie' || lower === 'set-cookie2') return treat.setCookie
  if (lower === 'location' || lower === 'content-location') return treat.location
  if (lower === 'link') return treat.link
  if (lower === 'refresh') return treat.refresh
  return treat.keep
}
