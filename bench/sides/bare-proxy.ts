import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { ready } from '../child.js'

/** @fastify/http-proxy as it comes: what everything here is measured by. */
const fastify = Fastify()
await fastify.register(httpProxy, { upstream: `http://127.0.0.1:${process.argv[2]}` })
await fastify.listen({ port: 0, host: '127.0.0.1' })
ready((fastify.server.address() as AddressInfo).port)
