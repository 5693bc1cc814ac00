/** The receipt of a rollout: what the hosts' own files say, held against what the ledger says. Pure. */

/** A host's row in the ledger. */
export interface LedgerRow {
  hostName: string
  state: string
  started: string
}

export interface Judgement {
  targets: number
  /** Targets that their own files say started exactly once. */
  startedOnce: number
  twice: number
  /** Targets whose script the ledger says ran and no file knows of, or that ran and have no end in the ledger. */
  lost: number
  /** Where files and ledger differ, and targets without success: a line each. Empty when all is well. */
  differences: string[]
}

/** States after which nothing more is expected of a host; `unknown` may still become known. */
export const ended: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'rejected',
  'skipped',
  'offline',
])

/** @param starts how often each host started, by its own word; @param rows every target's row; @param over the run has ended */
export function judge(
  starts: ReadonlyMap<string, number>,
  rows: readonly LedgerRow[],
  over: boolean,
): Judgement {
  const judgement: Judgement = { targets: rows.length, startedOnce: 0, twice: 0, lost: 0, differences: [] }
  const targets = new Set<string>()
  for (const { hostName, state, started } of rows) {
    targets.add(hostName)
    const count = starts.get(hostName) ?? 0
    if (count === 1) judgement.startedOnce++
    if (count > 1) judgement.twice++
    const isLost = count === 0 ? ended.has(state) && started === 'yes' : over && !ended.has(state)
    if (isLost) judgement.lost++
    const isRight = count === 1 && state === 'succeeded' && started === 'yes'
    if (over && !isRight)
      judgement.differences.push(
        `${hostName} started ${count} times; the ledger says ${state}, started ${started}`,
      )
  }
  for (const host of starts.keys())
    if (!targets.has(host)) judgement.differences.push(`${host} started and was no target`)
  return judgement
}

/** As `1,000 targets · 1,000 started once · killed gateway ×2, Temporal ×1 · longest gap 6.4 s · seed 7`. */
export function receiptLine(
  judgement: Judgement,
  told: { killed: ReadonlyMap<string, number>; longestGapMs: number; seed: number },
): string {
  const number = (value: number) => value.toLocaleString('en-US')
  const killed = [...told.killed].map(([name, times]) => `${name} ×${times}`).join(', ')
  return [
    `${number(judgement.targets)} targets`,
    `${number(judgement.startedOnce)} started once`,
    ...(judgement.twice ? [`${number(judgement.twice)} TWICE`] : []),
    ...(judgement.lost ? [`${number(judgement.lost)} LOST`] : []),
    killed ? `killed ${killed}` : 'nothing killed',
    `longest gap ${(told.longestGapMs / 1000).toFixed(1)} s`,
    `seed ${told.seed}`,
  ].join(' · ')
}
