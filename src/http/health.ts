import type { FastifyInstance } from 'fastify'
import { GatelodgeError } from '../errors.js'

/** `/healthz`: the process answers. `/readyz`: it can do its work. To be registered under the prefix. */
export async function health(
  scope: FastifyInstance,
  { isReady, isStopping }: { isReady: () => Promise<unknown>; isStopping: () => boolean },
): Promise<void> {
  scope.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  scope.get('/healthz', async () => ({ status: 'alive' }))
  scope.get('/readyz', async (_request, reply) => {
    // No error: nothing is wrong, and nobody is to look into it.
    if (isStopping()) return reply.code(503).header('retry-after', '5').send({ status: 'stopping' })
    try {
      await isReady()
    } catch (cause) {
      throw new GatelodgeError('store.unavailable', { cause })
    }
    return { status: 'ready' }
  })
}
