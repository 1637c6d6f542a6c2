import type { FastifyInstance } from 'fastify'
import type { AssertionKeys } from '../identity/api-clients/assertion-keys.js'

/**
 * The public keys of assertions (RFC 7517), for applications to fetch now and then. To be registered under the prefix.
 * Without `keys` no site gets assertions, and the list is empty.
 */
export async function jwks(scope: FastifyInstance, { keys }: { keys?: AssertionKeys | undefined }): Promise<void> {
  scope.get('/jwks.json', async (_request, reply) => {
    reply.header('cache-control', 'public, max-age=300')
    reply.header('x-content-type-options', 'nosniff')
    reply.type('application/json; charset=utf-8')
    return { keys: keys === undefined ? [] : await keys.published() }
  })
}
