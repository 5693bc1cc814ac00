/** Live answers end when the right to them does: a revoked token, a disabled principal, a role taken away. */
import { PlatformError } from '../../domain/errors.js'

/** How often the right to a live answer is looked at again: it outlives its end by no more than this and one query. */
const LOOK_MS = 3_000

export interface RightWatch extends Disposable {
  /** Aborted when the right has ended. */
  lost: AbortSignal
}

/**
 * Asks again and again until disposed of. A database that is away ends nothing: who could not be asked about keeps what
 * they have, and a stream can tell nothing new without the database.
 * @param ask rejects with a PlatformError of 401, 403 or 404 when the right has ended
 */
export function watchRight(ask: () => Promise<unknown>, everyMs = LOOK_MS): RightWatch {
  const lost = new AbortController()
  let asking = false
  const timer = setInterval(() => {
    if (asking) return
    asking = true
    ask()
      .catch((error: unknown) => {
        if (isRefusal(error)) lost.abort(error)
      })
      .finally(() => {
        asking = false
      })
  }, everyMs)
  return { lost: lost.signal, [Symbol.dispose]: () => clearInterval(timer) }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof PlatformError &&
    ['unauthenticated', 'permission_denied', 'not_found'].includes(error.kind)
  )
}
