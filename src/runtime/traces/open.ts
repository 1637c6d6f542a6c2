import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync } from 'node:fs'
import {
  type Context,
  DiagLogLevel,
  diag,
  type Attributes as OtelAttributes,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { type ExportResult, ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { Logger } from '../../contracts.js'
import type { Attributes, RemoteParent, Span, Tracing } from '../../tracing.js'
import { endpointFault } from './endpoint.js'

/** Traces on their way to a collector, until they are closed. */
export interface Traces extends Tracing {
  /** Hands over what is left, as far as that goes quickly. */
  close(): Promise<void>
}

/** What is left when the gateway stops has this long: nobody waits for a collector. */
const leavingMs = 2000

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

/**
 * What the environment asks for, by the packages of OpenTelemetry, which read the most of it themselves.
 * @returns `undefined` where it asks for something that is not there, which is then in the log
 */
export async function openTraces(env: NodeJS.ProcessEnv, log: Logger): Promise<Traces | undefined> {
  const warn = (message: string) => log.warn({ reason: message }, 'traces: OpenTelemetry complains')
  const quiet = () => {}
  diag.setLogger({ error: warn, warn, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN)
  const exporter = await exporterFor(env, log)
  if (exporter === undefined) return undefined
  const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'))
  const resource = resourceFromAttributes({ 'service.name': 'gatelodge', 'service.version': version }).merge(
    detectResources({ detectors: [envDetector] }),
  )
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] })
  log.info({}, 'traces are sent as the environment asks')
  return new OpenTelemetryTraces(provider.getTracer('gatelodge', version), () => provider.shutdown())
}

async function exporterFor(env: NodeJS.ProcessEnv, log: Logger): Promise<SpanExporter | undefined> {
  const named = env['OTEL_TRACES_EXPORTER']?.trim() || 'otlp'
  const protocol =
    env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']?.trim() || env['OTEL_EXPORTER_OTLP_PROTOCOL']?.trim() || 'http/protobuf'
  if (named !== 'otlp') {
    log.warn(
      { exporter: named, accepted: ['otlp', 'none'] },
      'no traces: OTEL_TRACES_EXPORTER asks for another exporter',
    )
    return undefined
  }
  const unclear = endpointFault(env)
  if (unclear !== undefined) {
    log.warn({}, `no traces: ${unclear}; put who sends them into OTEL_EXPORTER_OTLP_HEADERS`)
    return undefined
  }
  if (protocol === 'http/json') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http')
    return toldOnce(new OTLPTraceExporter(), log)
  }
  if (protocol === 'http/protobuf') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto')
    return toldOnce(new OTLPTraceExporter(), log)
  }
  const accepted = ['http/protobuf', 'http/json']
  log.warn({ protocol, accepted }, 'no traces: OTEL_EXPORTER_OTLP_PROTOCOL asks for another protocol')
  return undefined
}

/** A collector that fails is one line of the log, and another when it is back; what it did not take is lost. */
function toldOnce(exporter: SpanExporter, log: Logger): SpanExporter {
  let isDown = false
  return {
    export: (spans, done) =>
      exporter.export(spans, ({ code, error }: ExportResult) => {
        const failed = code !== ExportResultCode.SUCCESS
        if (failed && !isDown) log.warn({ reason: reasonOf(error) }, 'the collector of traces does not take them')
        if (!failed && isDown) log.info({}, 'the collector of traces takes them again')
        isDown = failed
        done({ code: ExportResultCode.SUCCESS })
      }),
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  }
}

function reasonOf(error: Error | undefined): string {
  const code = error !== undefined && 'code' in error ? error.code : undefined
  return code === undefined ? (error?.message ?? 'unknown') : String(code)
}

class OpenTelemetryTraces implements Traces {
  readonly #tracer: Tracer
  readonly #shutdown: () => Promise<void>
  readonly #current = new AsyncLocalStorage<OpenSpan>()

  constructor(tracer: Tracer, shutdown: () => Promise<void>) {
    this.#tracer = tracer
    this.#shutdown = shutdown
  }

  start(name: string, { kind, parent, attributes = {} }: Parameters<Tracing['start']>[1]): Span {
    const options = { kind: kinds[kind], attributes: { ...attributes } as OtelAttributes }
    return new OpenSpan(this.#tracer.startSpan(name, options, contextOf(parent)), this.#current)
  }

  current(): Span | undefined {
    return this.#current.getStore()
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leavingMs)
    })
    await Promise.race([this.#shutdown().catch(() => {}), late])
    clearTimeout(timer)
  }
}

class OpenSpan implements Span {
  readonly #span: OtelSpan
  readonly #current: AsyncLocalStorage<OpenSpan>
  #isOver = false

  constructor(span: OtelSpan, current: AsyncLocalStorage<OpenSpan>) {
    this.#span = span
    this.#current = current
  }

  get context(): Context {
    return trace.setSpan(ROOT_CONTEXT, this.#span)
  }

  get headers(): readonly string[] {
    const headers: string[] = []
    propagator.inject(this.context, headers, { set: (carrier, name, value) => void carrier.push(name, value) })
    return headers
  }

  rename(name: string): void {
    if (!this.#isOver) this.#span.updateName(name)
  }

  set(attributes: Attributes): void {
    if (!this.#isOver) this.#span.setAttributes({ ...attributes })
  }

  end(error?: string): void {
    if (this.#isOver) return
    if (error !== undefined) {
      this.#span.setAttribute('error.type', error)
      this.#span.setStatus({ code: SpanStatusCode.ERROR })
    }
    this.#isOver = true
    this.#span.end()
  }

  within<Result>(run: () => Result): Result {
    return this.#current.run(this, run)
  }
}

const propagator = new W3CTraceContextPropagator()

function contextOf(parent: Span | RemoteParent | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT
  if (parent instanceof OpenSpan) return parent.context
  if (!('traceparent' in parent)) return ROOT_CONTEXT
  return propagator.extract(ROOT_CONTEXT, parent, {
    get: ({ traceparent, tracestate }, name) => (name === 'traceparent' ? traceparent : tracestate),
    keys: () => [],
  })
}
