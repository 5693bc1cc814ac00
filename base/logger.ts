/** Service logs: JSON lines on standard output; the message is a constant sentence, facts are fields. */
import pino from 'pino'
import { redactText } from './redact.js'

export type Logger = pino.Logger

/**
 * @param name part and module, as `gateway:session`
 */
export function createLogger(name: string): Logger {
  return root().child({ name })
}

let shared: Logger | undefined

function root(): Logger {
  shared ??= pino({
    level: process.env['DROVER_LOG_LEVEL'] ?? 'info',
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: pino.stdSerializers.err },
    hooks: {
      streamWrite: redactText,
    },
  })
  return shared
}
