import { type LevelWithSilent, type Logger, pino } from 'pino'
import { type LogOutput, pipedOutput } from './log-output.js'

/**
 * The operator's log: JSON lines on standard output. Nothing that could carry a secret is ever handed to it whole
 * (no request, no header list, no body), and errors are written without what hangs on them.
 */
export function createLog(level: LevelWithSilent, destination: LogOutput | undefined = pipedOutput()): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** What of an error belongs in a log: its kind, code, sentence and stack, and the same of its cause. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  }
}
