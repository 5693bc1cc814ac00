/** Lists of what uses a thing: they are cut and not paged, for whoever asks wants to know whether anything does. */

const MOST_SHOWN = 1_000

/** How many are read: one more than are shown tells that there are others. */
export const CITATIONS_READ = MOST_SHOWN + 1

/** What is shown of what was read. */
export function cutCitations<T>(found: readonly T[]): { items: T[]; more: boolean } {
  return { items: found.slice(0, MOST_SHOWN), more: found.length > MOST_SHOWN }
}
