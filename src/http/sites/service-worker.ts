import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CanonicalTarget } from '../../access/targets/canonical-target.js'
import type { ProxySite } from '../applications/application.js'
import type { Judged } from '../gate/gate.js'

/** Whether a judged request gets no script of its application, whoever sent it. On sites that are only observed everything passes. */
export function refusesServiceWorker(
  request: Pick<IncomingMessage, 'headers'>,
  { site: { settings }, target }: Judged<ProxySite>,
  prefix: string,
): boolean {
  return coversOwnPages(request, target, prefix) && settings.serviceWorkers !== 'allow' && settings.enforce !== false
}

/**
 * Whether a request fetches the script of a service worker that could answer in the place of our own pages. A worker may
 * control what is under the directory of its script (Service Workers, 2.8.1 "max scope"), so `/sw.js` controls
 * `/.gatelodge/sign-in`, and could show a page there that sends the password away. Browsers mark the fetch by
 * `Service-Worker: script` and `Sec-Fetch-Dest: serviceworker`, neither of which a script can set.
 * @param prefix of our own pages, as in `/.gatelodge`
 */
export function coversOwnPages(
  { headers }: Pick<IncomingMessage, 'headers'>,
  { forward, path }: CanonicalTarget,
  prefix: string,
): boolean {
  if (headers['service-worker'] === undefined && headers['sec-fetch-dest'] !== 'serviceworker') return false
  const covers = (spelling: string) => `${prefix}/`.startsWith(directoryOf(spelling))
  return covers(forward) || covers(path)
}

function directoryOf(target: string): string {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return path.slice(0, path.lastIndexOf('/') + 1)
}

/**
 * Answers in place of the application with a worker that takes its own registration away. An error would leave one in place
 * that was registered earlier, for browsers go on with the old script when the new one cannot be fetched.
 */
export function answerServiceWorker(response: ServerResponse, requestId: string): void {
  response.writeHead(200, {
    'content-type': 'text/javascript; charset=utf-8',
    'content-length': Buffer.byteLength(script),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-gatelodge-code': 'service-worker.refused',
    'x-request-id': requestId,
  })
  response.end(script)
}

const script = `// Gatelodge refused this application's service worker: its scope covers the sign-in pages of this host.
// Operators allow it by serviceWorkers: allow in the site's configuration.
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.registration.unregister()))
console.warn('Gatelodge refused this service worker: its scope covers the sign-in pages of this host.')
`
