/** Tidying: what the sweeper does now and then, and what no run waits for. */
import type { Logger } from '../../base/logger.js'

/** Does each of them by itself: one that fails holds up nothing else, and is done at the next time. */
export async function tidy(
  tidyings: Readonly<Record<string, () => Promise<unknown>>>,
  logger: Pick<Logger, 'warn'>,
): Promise<void> {
  for (const [tidying, run] of Object.entries(tidyings)) {
    try {
      await run()
    } catch (err) {
      logger.warn({ err, tidying }, 'something could not be tidied; it is tried again at the next time')
    }
  }
}
