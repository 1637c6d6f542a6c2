import { connect } from 'node:net'
import { endpointFault } from '../../runtime/traces/endpoint.js'
import { wantsTraces } from '../../runtime/traces/wanted.js'
import { type DoctorFinding, ok, warn } from './finding.js'

const patienceMs = 3000

/** Whether the collector that the environment names takes connections. Nothing is sent. */
export async function examineTraces(env: NodeJS.ProcessEnv): Promise<DoctorFinding[]> {
  if (!wantsTraces(env)) return []
  const unclear = endpointFault(env)
  if (unclear !== undefined) {
    return [
      warn('traces', unclear, 'put who sends them into OTEL_EXPORTER_OTLP_HEADERS, as in authorization=Basic%20…'),
    ]
  }
  const named =
    env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'] || 'http://localhost:4318'
  if (!URL.canParse(named)) {
    return [warn('traces', 'OTEL_EXPORTER_OTLP_ENDPOINT is no address', 'name one, as in http://127.0.0.1:4318')]
  }
  const { hostname, port, protocol, origin } = new URL(named)
  const fault = await new Promise<string | undefined>((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, '')
    const socket = connect({ host, port: Number(port || (protocol === 'https:' ? 443 : 80)), timeout: patienceMs })
    socket.once('connect', () => resolve(undefined))
    socket.once('timeout', () => resolve('no answer in time'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('closed'))
    socket.once('connect', () => socket.destroy())
    socket.once('timeout', () => socket.destroy())
  })
  if (fault === undefined) return [ok('traces', `${origin} takes connections; nothing was sent`)]
  return [
    warn('traces', `${origin}: ${fault}`, 'start the collector: until then traces are lost, and nobody waits for it'),
  ]
}
