/** Waiting between tries: full jitter, so that a thousand clients that fail together do not return together. */

/**
 * Uniform in [0, min(cap, base·2^attempt)] milliseconds.
 * @param attempt 0 for the first wait
 * @param random in [0, 1)
 */
export function fullJitter(attempt: number, random: number, baseMs = 500, capMs = 30_000): number {
  return Math.floor(random * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 20)))
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    function onAbort() {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
