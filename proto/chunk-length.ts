/** How much output a chunk carries. */
import type { OutputChunk } from './generated/drover/agent/v1/task.js'

/** @returns bytes of output that the chunk stands for: what it says that it inflates to, else what it holds */
export function chunkLength({ data, inflatedBytes }: Pick<OutputChunk, 'data' | 'inflatedBytes'>): number {
  return inflatedBytes || data.length
}
