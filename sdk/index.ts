/** The public face of the SDK: a typed client of Drover's API. */
import { Drover } from './drover.js'
import type { DroverOptions } from './vocabulary.js'

export function createDrover(options: DroverOptions): Drover {
  return new Drover(options)
}

export type { Drover } from './drover.js'
export { DroverError } from './error.js'
export type * from './events.js'
export { type FoldedLine, type FoldedOutput, foldLines } from './fold.js'
export { changedLines, unifiedDiff } from './line-diff.js'
export type { ScriptQuery } from './scripts.js'
export type { SearchQuery } from './search.js'
export type * from './vocabulary.js'
