import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { freePort } from '../support/free-port.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'
import { type ReceivedSpan, startTraceCollector, type TraceCollector } from '../support/trace-collector.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

const server = 2
const client = 3

/** An application that keeps what it was told, and echoes over WebSockets. */
async function tellingApplication(t: Test) {
  const told: IncomingHttpHeaders[] = []
  const application = createServer((request, response) => {
    told.push(request.headers)
    response.statusCode = request.url?.startsWith('/open/broken') ? 500 : 200
    response.end('hello')
  })
  const sockets = new WebSocketServer({ server: application })
  sockets.on('connection', (socket, { headers }) => {
    told.push(headers)
    socket.on('error', () => {})
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    application.closeAllConnections()
    application.close()
  })
  return { told, url: `http://127.0.0.1:${(application.address() as AddressInfo).port}` }
}

function tracedTo({ url }: Pick<TraceCollector, 'url'>, more: Record<string, string> = {}) {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...more,
  }
}

const rules = 'rules: [{ path: /open/**, access: public }, { path: /closed/**, access: deny }]'
const strangers = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'

function spanOf(collector: TraceCollector, name: string, kind: number): Promise<ReceivedSpan> {
  return until(`a span ${name}`, () => collector.spans.find((span) => span.name === name && span.kind === kind))
}

/** Workers answer a moment before their supervisor hears signals. */
async function ready(gateway: RunningGateway) {
  await until('the gateway to hear commands', async () => (await gateway.run(['reload'])).code === 0)
}

async function get(gateway: RunningGateway, path: string, headers: Record<string, string> = {}) {
  const answer = await request(`http://127.0.0.1:${gateway.port}${path}`, { headers })
  await answer.body.dump()
  return answer.statusCode
}

t.test('a request is a span with its decision, and another for the application, which is told of it', async (t) => {
  const collector = await startTraceCollector(t)
  const application = await tellingApplication(t)
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
    environment: tracedTo(collector, {
      OTEL_SERVICE_NAME: 'front-gate',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=canary-key',
    }),
  })
  const visit = await get(gateway, '/open/reset/canary-path?token=canary-query', {
    traceparent: strangers,
    TraceState: 'theirs=canary-state',
    authorization: 'Basic canary-credentials',
    cookie: 'session=canary-cookie',
  })
  t.equal(visit, 200)

  const span = await spanOf(collector, 'GET /open/**', server)
  const upstreamSpan = await spanOf(collector, 'GET', client)
  t.match(span.attributes, {
    'http.request.method': 'GET',
    'http.route': '/open/**',
    'http.response.status_code': 200,
    'url.scheme': 'http',
    'gatelodge.site': '*',
    'gatelodge.decision': 'allow',
    'gatelodge.row': 3,
    'gatelodge.request_id': /.+-.+/,
  })
  t.match(span.resource, {
    'service.name': 'front-gate',
    'service.version': /\d/,
    'deployment.environment.name': 'test',
  })
  t.equal(upstreamSpan.parentSpanId, span.spanId)
  t.equal(upstreamSpan.attributes['http.response.status_code'], 200)
  const [told] = application.told
  t.equal(
    told?.traceparent,
    `00-${upstreamSpan.traceId}-${upstreamSpan.spanId}-01`,
    'the application goes on with our trace',
  )
  t.notOk(strangers.includes(upstreamSpan.traceId), 'and not with that of a stranger')
  t.equal(told?.tracestate, undefined)

  t.equal(await get(gateway, '/closed/x'), 403)
  const refused = await spanOf(collector, 'GET /closed/**', server)
  t.match(refused.attributes, { 'gatelodge.decision': 'deny', 'gatelodge.row': 2, 'http.response.status_code': 403 })

  t.equal(await get(gateway, '/open/broken'), 500)
  const broken = await until('the failure to be told', () =>
    collector.spans.find(({ attributes, kind }) => attributes['http.response.status_code'] === 500 && kind === server),
  )
  t.equal(broken.status.code, 2)
  t.equal(broken.attributes['error.type'], '500')

  const bytes = (text: string) => rawExchange(t, gateway.port, text, 10_000)
  t.match((await bytes('GET /open/canary-target HTTP/1.1\r\nHost: a@b\r\n\r\n')).text, 'HTTP/1.1 400')
  t.match((await bytes('GET /open/../canary-target HTTP/1.1\r\nHost: h\r\n\r\n')).text, 'HTTP/1.1 400')
  t.match((await bytes('canary, and no request at all\r\n\r\n')).text, 'HTTP/1.1 400')
  for (const [name, code] of [
    ['GET', 'request.host'],
    ['GET', 'request.target'],
    ['HTTP', 'request.malformed'],
  ]) {
    const ofCode = () => collector.spans.filter(({ attributes }) => attributes['gatelodge.code'] === code)
    await until(`${code} to be told`, () => ofCode().length > 0)
    t.match(ofCode(), [{ name, kind: server, attributes: { 'http.response.status_code': 400 } }])
    t.equal(ofCode().length, 1)
  }

  const [first] = collector.received
  t.equal(first?.path, '/v1/traces')
  t.equal(first?.headers['x-collector-key'], 'canary-key', 'the collector is told what the environment says')
  t.notMatch(collector.received.map(({ body }) => body.toString()).join(), 'canary', 'no secret is in any span')
  t.notMatch(gateway.logs(), 'canary')
  t.equal(await gateway.stop(), '0')
})

t.test('a trace of a trusted proxy goes on, also over WebSockets and forward-auth', async (t) => {
  const collector = await startTraceCollector(t)
  const application = await tellingApplication(t)
  const gateway = await startGateway(t, {
    yaml: `trustedProxies: [127.0.0.1/32]\nsites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
    environment: tracedTo(collector),
  })
  const of = (digit: string) => ({
    traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-01`,
    tracestate: 'proxy=word',
  })
  t.equal(await get(gateway, '/open/x', of('a')), 200)
  const span = await spanOf(collector, 'GET /open/**', server)
  t.equal(span.traceId, 'a'.repeat(32))
  t.equal(span.parentSpanId, 'a'.repeat(16))
  t.match(application.told.at(-1), { tracestate: 'proxy=word', traceparent: new RegExp(`^00-${'a'.repeat(32)}-`) })

  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/open/socket`, { headers: of('b') })
  await once(socket, 'open')
  const upgraded = await until('the WebSocket to be told', () =>
    collector.spans.find(({ traceId, kind }) => traceId === 'b'.repeat(32) && kind === server),
  )
  t.match(upgraded.attributes, { 'http.response.status_code': 101, 'gatelodge.decision': 'allow' })
  t.match(application.told.at(-1)?.['traceparent'], new RegExp(`^00-${'b'.repeat(32)}-`))
  socket.terminate()

  const refused = new WebSocket(`ws://127.0.0.1:${gateway.port}/closed/socket`, { headers: of('c') })
  const [turnedAwayBy] = await once(refused, 'unexpected-response')
  turnedAwayBy.destroy()
  const turnedAway = await until('the refused WebSocket to be told', () =>
    collector.spans.find(({ traceId }) => traceId === 'c'.repeat(32)),
  )
  t.match(turnedAway.attributes, { 'http.response.status_code': 403, 'gatelodge.decision': 'deny' })

  const asked = await get(gateway, '/.gatelodge/forward-auth', {
    ...of('d'),
    'x-forwarded-method': 'GET',
    'x-forwarded-host': `localhost:${gateway.port}`,
    'x-forwarded-proto': 'http',
    'x-forwarded-uri': '/closed/secret',
    'x-forwarded-for': '203.0.113.9',
  })
  t.equal(asked, 403)
  const question = await spanOf(collector, 'GET /.gatelodge/forward-auth', server)
  t.equal(question.traceId, 'd'.repeat(32))
  t.match(question.attributes, { 'gatelodge.decision': 'deny', 'gatelodge.rule': '/closed/**', 'gatelodge.row': 2 })
})

t.test('the steps of a sign-in and the messages are parts of their requests', async (t) => {
  const collector = await startTraceCollector(t)
  const application = await tellingApplication(t)
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  const gateway = await startGateway(t, {
    yaml: `
sites: [{ upstream: "${application.url}" }]
mail: { use: smtp, url: "${mail.url}", from: "Sign-in <no-reply@example.com>" }
stop: { announce: off }
`,
    environment: tracedTo(collector),
  })
  const password = 'canary horse battery'
  const added = await gateway.run(['user', 'add', 'ana', '--email', 'ana@example.com', '--password-stdin'], password)
  t.equal(added.code, 0, added.stderr)
  const visitor = new Visitor(t, gateway.url)
  const signedIn = await visitor.fillIn('/.gatelodge/sign-in', { username: 'ana', password }, '/sign-in')
  t.equal(signedIn.status, 303)
  const page = await spanOf(collector, 'POST /.gatelodge/sign-in', server)
  const step = await spanOf(collector, 'sign-in.password', 1)
  t.equal(step.parentSpanId, page.spanId)
  t.equal(step.attributes['gatelodge.outcome'], 'session')
  const asked = await spanOf(collector, 'users.verifyPassword', 1)
  t.equal(asked.parentSpanId, step.spanId)

  const spent = await spanOf(collector, 'store.increment', client)
  t.equal(spent.traceId, page.traceId)
  t.ok(
    collector.spans.some(({ spanId }) => spanId === spent.parentSpanId),
    'within what wanted it',
  )

  await visitor.fillIn('/.gatelodge/help', { email: 'ana@example.com', name: 'ana@example.com' }, '/help')
  const sent = await spanOf(collector, 'mail.send', client)
  t.ok(collector.spans.some(({ traceId, kind }) => traceId === sent.traceId && kind === server))
  t.notMatch(collector.received.map(({ body }) => body.toString()).join(), /canary|ana@example/)
})

t.test('a collector that is down holds nobody up, is told of once, and gets what comes after', async (t) => {
  const application = await tellingApplication(t)
  const port = await freePort()
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
    environment: tracedTo({ url: `http://127.0.0.1:${port}` }, { OTEL_EXPORTER_OTLP_TIMEOUT: '500' }),
  })
  t.equal(await get(gateway, '/open/x'), 200)
  const complaints = () => gateway.logLines().filter(({ msg }) => /collector/.test(String(msg)))
  await until('the log to say so', () => complaints().length === 1)
  for (let time = 0; time < 50; time += 1) t.equal(await get(gateway, '/open/x'), 200)
  const collector = await startTraceCollector(t, port)
  await until('the collector to get spans', async () => {
    await get(gateway, '/open/x')
    return collector.spans.length > 0
  })
  await until('the log to say that, too', () => complaints().length === 2)
  t.equal(complaints()[0]?.['reason'], 'ECONNREFUSED')
  t.equal(await gateway.stop(), '0')
})

for (const workers of [1, 2]) {
  t.test(`as protobuf, sampled as the environment says, from ${workers} of one gateway`, async (t) => {
    const collector = await startTraceCollector(t)
    const application = await tellingApplication(t)
    const gateway = await startGateway(t, {
      yaml: `workers: ${workers}\nsites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
      environment: tracedTo(collector, { OTEL_EXPORTER_OTLP_PROTOCOL: '', OTEL_TRACES_SAMPLER: 'always_on' }),
    })
    t.equal(await get(gateway, '/open/x'), 200)
    await ready(gateway)
    t.equal(await gateway.stop(), '0', 'what is left is handed over when it stops')
    const bodies = collector.received.filter(({ body }) => body.includes('GET /open/**'))
    t.equal(bodies.length, 1)
    t.equal(bodies[0]?.headers['content-type'], 'application/x-protobuf')

    const unsampled = await startGateway(t, {
      yaml: `workers: ${workers}\nsites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
      environment: tracedTo(collector, { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }),
    })
    t.equal(await get(unsampled, '/open/x', { traceparent: strangers }), 200)
    t.match(application.told.at(-1)?.['traceparent'], /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/, 'the application hears so')
    await ready(unsampled)
    t.equal(await unsampled.stop(), '0')
    t.same(collector.spans, [])
  })
}

for (const [title, environment] of Object.entries({
  'nothing that asks for them': {},
  'OTEL_TRACES_EXPORTER=none': { OTEL_TRACES_EXPORTER: 'none' },
  'OTEL_SDK_DISABLED=true': { OTEL_SDK_DISABLED: 'true' },
})) {
  t.test(`with ${title} nothing is traced, and what a client says goes through as it is`, async (t) => {
    const collector = await startTraceCollector(t)
    const application = await tellingApplication(t)
    const asks = Object.keys(environment).length === 0 ? {} : tracedTo(collector, environment)
    const gateway = await startGateway(t, {
      yaml: `sites: [{ upstream: "${application.url}", ${rules} }]\nstop: { announce: off }\n`,
      // Written by Node for every module that is loaded.
      environment: { ...asks, NODE_DEBUG: 'esm' },
    })
    t.equal(await get(gateway, '/open/x', { traceparent: strangers }), 200)
    t.equal(application.told.at(-1)?.['traceparent'], strangers)
    t.match(gateway.logs(), '/src/main.js', 'modules that are loaded are seen')
    t.notMatch(gateway.logs(), /opentelemetry\/(?:sdk|exporter|otlp|core|resources)/)
    t.equal(await gateway.stop(), '0')
    t.same(collector.received, [])
  })
}

t.test('what is not there is said at the start', async (t) => {
  const application = await tellingApplication(t)
  const gateway = await startGateway(t, {
    yaml: `sites: [{ upstream: "${application.url}", ${rules} }]\n`,
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  })
  t.match(gateway.logs(), /no traces: OTEL_EXPORTER_OTLP_PROTOCOL/)
  t.equal(await get(gateway, '/open/x'), 200)
})
