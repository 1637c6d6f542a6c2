import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

/** @fastify/http-proxy as it comes: what everything here is measured by. `bare-proxy <port> <upstream port>`. */
const [port, upstreamPort] = process.argv.slice(2)
const fastify = Fastify()
await fastify.register(httpProxy, { upstream: `http://127.0.0.1:${upstreamPort}` })
await fastify.listen({ port: Number(port), host: '127.0.0.1' })
