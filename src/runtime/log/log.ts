import { type LevelWithSilent, type Logger, pino } from 'pino'
import { type LogOutput, pipedOutput } from './log-output.js'
import { textOutput } from './log-text.js'

/** How lines look: `auto` is `text` at a terminal, and `json` everywhere else. */
export type LogFormat = 'auto' | 'json' | 'text'

/**
 * The operator's log on standard output: JSON lines, or lines for people. Nothing that could carry a secret is ever handed to it whole
 * (no request, no header list, no body), and errors are written without what hangs on them.
 */
export function createLog(
  level: LevelWithSilent,
  given: LogOutput | undefined = pipedOutput(),
  format: LogFormat = 'json',
): Logger {
  const isText = format === 'text' || (format === 'auto' && process.stdout.isTTY === true)
  const destination = isText ? textOutput(given ?? process.stdout) : given
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
