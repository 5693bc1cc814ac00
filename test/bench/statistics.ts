/** What samples say: percentiles by nearest rank, and how far they differ from one part of the measurement to another. */

/** @param share 0 to 1 @throws if there are no samples */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (found === undefined) throw new Error('there are no samples')
  return found
}

const PARTS = 5

/** The smallest and the largest percentile of five parts of the samples, in the order in which they were taken. */
export function spreadOf(samples: readonly number[], share: number): [number, number] {
  const size = Math.max(1, Math.ceil(samples.length / PARTS))
  const values: number[] = []
  for (let at = 0; at < samples.length; at += size)
    values.push(percentile(samples.slice(at, at + size), share))
  return [Math.min(...values), Math.max(...values)]
}
