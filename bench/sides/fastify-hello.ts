import Fastify from 'fastify'

/** `fastify-hello <port>`. */
const fastify = Fastify()
fastify.get('/*', async () => ({ hello: 'world' }))
await fastify.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
