import type { Logger } from '../../contracts.js'
import type { Traces } from './open.js'

/** Where the environment asks for traces; elsewhere nothing of them is even loaded. */
export async function tracesOf(env: NodeJS.ProcessEnv, log: Logger): Promise<Traces | undefined> {
  return wantsTraces(env) ? (await import('./open.js')).openTraces(env, log) : undefined
}

/**
 * Whether the environment asks for traces (OpenTelemetry, "Environment Variable Specification"). Unlike there, nothing is
 * sent to an address nobody named: an exporter or an endpoint has to be.
 */
export function wantsTraces(env: NodeJS.ProcessEnv): boolean {
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') return false
  const exporter = env['OTEL_TRACES_EXPORTER']?.trim()
  if (exporter !== undefined && exporter !== '') return exporter !== 'none'
  return [env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], env['OTEL_EXPORTER_OTLP_ENDPOINT']].some((url) => url?.trim())
}
