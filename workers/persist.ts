/** Starting while a server that is needed is not there yet: tried until it is, and said aloud. */
import { delay, fullJitter } from '../base/backoff.js'
import { PlatformError } from '../domain/errors.js'
import type { Logger } from '../base/logger.js'

/** Runs `work` until it succeeds, fails for good or the signal aborts; `what` names the server in the log. */
export async function persist<T>(
  logger: Logger,
  what: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work()
    } catch (err) {
      if (signal.aborted || (err instanceof PlatformError && !err.retryable)) throw err
      if (failures % 10 === 0)
        logger.warn({ err, what }, 'a server that is needed is not there yet; trying again')
      await delay(fullJitter(failures, Math.random(), 100, 2_000) + 50, signal)
    }
  }
}
