import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errors, GatelodgeError } from '../../errors.js'
import type { Account, Role } from '../../identity/accounts/account.js'
import type { AdminScope } from '../../identity/api-clients/app-tokens.js'
import type { ClientFacts } from '../../identity/store/client-facts.js'
import { readWords, type Words } from '../../operations/fields.js'
import type { Idempotency, Turn } from '../../operations/idempotency.js'
import { type Actor, type HandedFile, type InputFault, Refusal } from '../../operations/operation.js'
import type { Operations } from '../../operations/operations.js'
import { sendFile } from '../web/file-download.js'
import { openApiDocument } from './openapi.js'
import { type ApiRoute, apiRoutes } from './routes.js'

/** A program whose token opens this API. */
export interface ApiCaller {
  readonly account: Account
  /** The token as it came: what it may be known by here, and what nobody else has. */
  readonly secret: string
  /** What the token was issued for beyond the API itself. */
  readonly adminScopes: readonly AdminScope[]
}

export interface ApiParts {
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  readonly productName: string
  readonly desk: Operations
  readonly idempotency: Idempotency
  client(request: FastifyRequest): ClientFacts
  /**
   * Whose the token in `Authorization` is, if it has the scope `admin` and may be used from here. Cookies count for nothing.
   * @returns `undefined`: it is nobody's; `denied`: it opens other things
   */
  find(request: FastifyRequest): Promise<ApiCaller | 'denied' | undefined>
}

/** Larger than any request of ours. */
const BODY_LIMIT = 16 * 1024

/** The management API, to be registered under `<prefix>/api/v1`. Every route is an operation and takes no decision itself. */
export async function api(scope: FastifyInstance, { parts }: { parts: ApiParts }): Promise<void> {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_LIMIT }, readJson)
  scope.addHook('onRequest', async (request, reply) => {
    // Whatever goes wrong, a program is told in JSON.
    request.raw.headers.accept = 'application/json'
    delete request.raw.headers['sec-fetch-mode']
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
  })
  const { prefix, productName: title } = parts
  let document: object | undefined
  scope.get('/openapi.json', async () => {
    // Made of every schema there is: not before somebody asks, for every start would wait for it.
    document ??= openApiDocument({ title, server: `${prefix}/api/v1` })
    return document
  })
  for (const route of apiRoutes) {
    const { takes } = route.operation
    if (takes === undefined) offer(scope, parts, route)
    else scope.register(async (files) => offerFile(files, parts, route, takes.bytes))
  }
  // Nothing here is told apart for whoever has no token.
  const elsewhere = async (request: FastifyRequest, reply: FastifyReply) => {
    const client = await parts.find(request)
    return client === undefined || client === 'denied'
      ? shutOut(request, reply, client)
      : problem(request, reply, 'not-found')
  }
  scope.all('/', elsewhere)
  scope.all('/*', elsewhere)
}

function offer(scope: FastifyInstance, parts: ApiParts, route: ApiRoute): void {
  scope.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const client = known.get(request) ?? (await parts.find(request))
      if (client === undefined || client === 'denied') return shutOut(request, reply, client)
      return answer(parts, route, request, reply, client)
    },
  })
}

/** A route whose body is a file, read only when it is known who sends it. */
function offerFile(scope: FastifyInstance, parts: ApiParts, route: ApiRoute, bodyLimit: number): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit }, (_request, text, done) => done(null, text))
  scope.addHook('onRequest', async (request, reply) => {
    const client = await parts.find(request)
    if (client === undefined || client === 'denied') {
      return shutOut(request, reply.header('connection', 'close'), client)
    }
    known.set(request, client)
    return undefined
  })
  offer(scope, parts, route)
}

/** Whose token it is, where that was asked before the body came. */
const known = new WeakMap<FastifyRequest, ApiCaller>()

async function answer(
  parts: ApiParts,
  route: ApiRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  client: ApiCaller,
): Promise<FastifyReply> {
  const input = inputOf(route, request)
  if (input === undefined) return problem(request, reply, 'operation.input')
  const turn = await turnOf(parts, route, request, client)
  if (turn === 'malformed') return problem(request, reply, 'idempotency.malformed')
  if (turn?.turn === 'underway') return problem(request, reply.header('retry-after', 1), 'idempotency.underway')
  if (turn?.turn === 'other') return problem(request, reply, 'idempotency.other')
  if (turn?.turn === 'again') {
    const { status, body } = turn.answer
    const type = status < 400 ? 'application/json' : 'application/problem+json'
    return reply.code(status).header('idempotency-replayed', 'true').type(type).send(Buffer.from(body))
  }
  try {
    const done = await parts.desk.run(route.operation, input, actorOf(client, parts.client(request)))
    const isRefused = done instanceof Refusal
    if (!isRefused && route.operation.hands !== undefined) return sendFile(reply, done as HandedFile)
    const status = isRefused ? errors[done.code].status : 200
    const body = isRefused ? problemText(request, done.code, done.sentence, done.faults) : JSON.stringify(done)
    await turn?.keep({ status, body })
    return reply
      .code(status)
      .type(isRefused ? 'application/problem+json' : 'application/json')
      .send(Buffer.from(body))
  } catch (fault) {
    // Nothing is known of it but that it did not come to an end: the same key may try again.
    await turn?.giveBack().catch(() => undefined)
    throw fault
  }
}

/** A token that was given the scope by an owner does what owners do, unless it is support's own. */
function actorOf({ account: { id, username, role }, adminScopes }: ApiCaller, client: ClientFacts): Actor {
  const acts: Role = role === 'support' ? 'support' : 'owner'
  return { door: 'api', role: acts, account: { id, username }, client, isFresh: true, adminScopes }
}

/** Path, query and body together. `undefined`: the body is no object, or says what the path says. */
function inputOf({ operation, method, inPath }: ApiRoute, request: FastifyRequest): object | undefined {
  const inUrl = readWords(operation.input, request.params as Words)
  const { takes } = operation
  if (takes !== undefined) {
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
    const said = readWords(operation.input, request.query as Words)
    return { ...takes.types[type], ...said, ...inUrl, [takes.field]: request.body ?? '' }
  }
  if (method === 'GET') return { ...readWords(operation.input, request.query as Words), ...inUrl }
  const body: unknown = request.body ?? {}
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined
  return inPath.some((name) => Object.hasOwn(body, name)) ? undefined : { ...body, ...inUrl }
}

async function turnOf(
  { idempotency }: ApiParts,
  { method, operation }: ApiRoute,
  request: FastifyRequest,
  { secret }: ApiCaller,
): Promise<Turn | 'malformed' | undefined> {
  const key = request.headers['idempotency-key']
  // A file is made anew each time: it changes nothing, and is too large to be kept.
  if (key === undefined || method === 'GET' || operation.hands !== undefined) return undefined
  if (typeof key !== 'string' || !/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(key)) return 'malformed'
  const asked = `${method} ${request.url}\n${JSON.stringify(request.body ?? null)}`
  return idempotency.begin({ secret, key, asked })
}

function shutOut(request: FastifyRequest, reply: FastifyReply, why: 'denied' | undefined): FastifyReply {
  if (why === 'denied') return problem(request, reply, 'access.denied')
  return problem(request, reply.header('www-authenticate', 'Bearer realm="gatelodge"'), 'api.token-required')
}

function problem(request: FastifyRequest, reply: FastifyReply, code: ErrorCode): FastifyReply {
  const { status, sentence } = errors[code]
  return reply
    .code(status)
    .type('application/problem+json')
    .send(Buffer.from(problemText(request, code, sentence)))
}

function problemText(
  request: FastifyRequest,
  code: ErrorCode,
  detail: string,
  faults: readonly InputFault[] = [],
): string {
  const { status } = errors[code]
  const title = STATUS_CODES[status] ?? 'Error'
  const more = faults.length === 0 ? {} : { faults }
  return JSON.stringify({ type: 'about:blank', title, status, code, detail, requestId: request.id, ...more })
}

function readJson(
  _request: FastifyRequest,
  text: string | Buffer,
  done: (error: Error | null, body?: unknown) => void,
) {
  if (text === '') {
    done(null, undefined)
    return
  }
  try {
    done(null, JSON.parse(text.toString()))
  } catch {
    done(new GatelodgeError('request.malformed'))
  }
}
