import { TransportError } from './contracts.js'
import { GatelodgeError } from './errors.js'

/** What is said of a piece of work. Never a secret, and nothing a client may choose freely. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

export type SpanKind = 'server' | 'client' | 'internal'

/** What another process said it is doing, as its request carries it (W3C Trace Context). */
export interface RemoteParent {
  readonly traceparent: string
  readonly tracestate?: string | undefined
}

/** A piece of work that is under way. */
export interface Span {
  /** What the next process is told of it: name, value, name, value. */
  readonly headers: readonly string[]
  rename(name: string): void
  set(attributes: Attributes): void
  /** @param error what went wrong, as a code */
  end(error?: string): void
  /** What begins in there is a part of it. */
  within<Result>(run: () => Result): Result
}

/** Where pieces of work are told to. There is none where nobody asked for traces. */
export interface Tracing {
  start(
    name: string,
    as: {
      readonly kind: SpanKind
      readonly parent?: Span | RemoteParent | undefined
      readonly attributes?: Attributes
    },
  ): Span
  /** What is under way where this is called. */
  current(): Span | undefined
}

/**
 * The same object, whose methods are told as parts of the request they are called for, by how long they take and how they
 * end. What they are given is not told.
 */
export function followed<Followed extends object>(
  object: Followed,
  name: string,
  tracing: Tracing | undefined,
  kind: SpanKind = 'internal',
): Followed {
  if (tracing === undefined) return object
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function' || typeof key !== 'string') return value
      return (...given: unknown[]) => follow(tracing, `${name}.${key}`, kind, () => value.apply(target, given))
    },
  })
}

function follow(tracing: Tracing, name: string, kind: SpanKind, run: () => unknown): unknown {
  const parent = tracing.current()
  if (parent === undefined) return run()
  const span = tracing.start(name, { kind, parent })
  const result = span.within(run)
  // What is known at once is no work worth a word; it is never told.
  if (!(result instanceof Promise)) return result
  return result.then(
    (value: unknown) => {
      span.set(outcomeOf(value))
      span.end()
      return value
    },
    (error: unknown) => {
      span.end(errorType(error))
      throw error
    },
  )
}

/** What kind of error it is; its sentence may quote what nobody else is to read. */
export function errorType(error: unknown): string {
  if (error instanceof GatelodgeError) return error.code
  if (error instanceof TransportError) return `transport.${error.reason}`
  return error instanceof Error ? error.name : 'unknown'
}

function outcomeOf(value: unknown): Attributes {
  if (typeof value !== 'object' || value === null || !('outcome' in value)) return {}
  return typeof value.outcome === 'string' ? { 'gatelodge.outcome': value.outcome } : {}
}
