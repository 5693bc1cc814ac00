/** Optimistic locking: who changes a thing says which state of it they have seen. */
import { PlatformError } from '../domain/errors.js'

/** @throws PlatformError edit_conflict, with what is there now */
export function checkSeen(seen: number, now: { revision: number }, what: string): void {
  if (seen === now.revision) return
  throw new PlatformError(
    'edit_conflict',
    `${what} was changed since you read it (revision ${now.revision}, not ${seen}): look at what is there now, and change that`,
    { details: { current: now } },
  )
}
