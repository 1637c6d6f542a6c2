import type { FastifyInstance } from 'fastify'
import type { Portal } from '../access/portal.js'
import type { WellKnown } from '../access/well-known.js'
import { GatelodgeError } from '../errors.js'

interface Parts {
  readonly wellKnown: WellKnown
  readonly portal: Portal
  /** Of our own pages, as in `/.gatelodge`. */
  readonly pagesUnder: string
  /** The method that is called passkey, as YAML calls it. */
  readonly use: string
}

/**
 * What password managers and browsers ask a host for: where a password is changed (https://w3c.github.io/webappsec-change-password-url/),
 * where passkeys are set up and managed (https://www.w3.org/TR/passkey-endpoints/), and which hosts may ask for them (WebAuthn, 5.11).
 */
export async function wellKnown(scope: FastifyInstance, { wellKnown, portal, pagesUnder, use }: Parts): Promise<void> {
  const pages = `${portal.origin}${pagesUnder}/account`
  const json: Readonly<Record<string, object>> = {
    'passkey-endpoints': { enroll: `${pages}/methods/add/${use}`, manage: `${pages}/methods` },
    webauthn: { origins: portal.origins },
  }
  for (const [path, host] of wellKnown.places) {
    scope.get(path, { constraints: { host } }, async (request, reply) => {
      if (!wellKnown.has(request.method, request.headers.host, path)) throw new GatelodgeError('not-found')
      reply.header('x-content-type-options', 'nosniff')
      const name = path.slice(path.lastIndexOf('/') + 1)
      if (name === 'change-password') return reply.redirect(`${pages}/password`, 302)
      return reply
        .header('cache-control', 'public, max-age=300')
        .type('application/json')
        .send(JSON.stringify(json[name]))
    })
  }
}
