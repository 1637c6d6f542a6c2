import type { FastifyInstance } from 'fastify'
import { GatelodgeError } from '../errors.js'

/** `/healthz`: the process answers. `/readyz`: it can do its work. To be registered under the prefix. */
export async function health(scope: FastifyInstance, { isReady }: { isReady: () => Promise<unknown> }): Promise<void> {
  scope.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  scope.get('/healthz', async () => ({ status: 'alive' }))
  scope.get('/readyz', async () => {
    try {
      await isReady()
    } catch (cause) {
      throw new GatelodgeError('store.unavailable', { cause })
    }
    return { status: 'ready' }
  })
}
