import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { ready } from '../child.js'

const fastify = Fastify()
fastify.get('/*', async () => ({ hello: 'world' }))
await fastify.listen({ port: 0, host: '127.0.0.1' })
ready((fastify.server.address() as AddressInfo).port)
