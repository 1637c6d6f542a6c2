import { urlFault } from '../../plugin-kit.js'

/**
 * Why the collector's address must not be used, if so: a password in it ends nobody knows where, and a part of it would be
 * looked up as a host. @returns a sentence that repeats nothing of it
 */
export function endpointFault(env: NodeJS.ProcessEnv): string | undefined {
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']) {
    const fault = urlFault(env[name] ?? '')
    if (fault !== undefined) return `${name} ${fault}`
  }
  return undefined
}
