/** A verdict: what one round of faults did, the sum of all rounds, and whether that is clean. */
import { emptyTally, type Finding, type Tally } from './judge'

export interface Counts extends Tally {
  kills: number
  freezes: number
  cuts: number
  fills: number
  runs: number
  /** Operations that were accepted. */
  operations: number
  /** Runs without an end in time, hosts that do not come back, parts that stay down, requests without an answer. */
  hangs: number
  orphans: number
  /** Histories of workflows that were replayed, and those of them that the workflows of today refuse. */
  replayed: number
  notReplayed: number
  /** Time under load, seconds. */
  loadSeconds: number
}

export interface Verdict extends Counts {
  seed: number
  round: number
  seconds: number
  /** Hosts with an agent whose script after the faults did not succeed. */
  hostsWithoutVerdict: string[]
  findings: Finding[]
  clean: boolean
}

/** Another one when what is counted has changed. */
export const PROGRESS_VERSION = 3

/** What is kept between two parts of one run. */
export interface Progress {
  version: typeof PROGRESS_VERSION
  seed: number
  rounds: number
  seconds: number
  clean: boolean
  total: Counts
}

export function emptyCounts(): Counts {
  return {
    ...emptyTally(),
    kills: 0,
    freezes: 0,
    cuts: 0,
    fills: 0,
    runs: 0,
    operations: 0,
    hangs: 0,
    orphans: 0,
    replayed: 0,
    notReplayed: 0,
    loadSeconds: 0,
  }
}

/** Of every number of `more`, the sum with that of `sum`. */
export function addCounts(sum: Counts, more: Counts): Counts {
  const keys = Object.keys(sum) as (keyof Counts)[]
  return Object.fromEntries(keys.map((key) => [key, sum[key] + more[key]])) as unknown as Counts
}

/** Why the counts are not clean; empty when they are. */
export function faultsOf(counts: Counts): string[] {
  const faults: string[] = []
  for (const key of [
    'doubleRuns',
    'silentLosses',
    'hangs',
    'outputMismatches',
    'wrongVariables',
    'orphans',
    'notReplayed',
  ] as const)
    if (counts[key] > 0) faults.push(`${key} ${counts[key]}`)
  // Each run has a workflow: where fewer were replayed the engine did not tell of all.
  if (counts.replayed < counts.runs) faults.push(`only ${counts.replayed} histories of ${counts.runs} runs`)
  if (counts.unknowns > counts.excusedUnknowns)
    faults.push(`unknowns without a reason ${counts.unknowns - counts.excusedUnknowns}`)
  if (counts.starts < counts.launched * 0.95)
    faults.push(`only ${counts.starts} starts of ${counts.launched} that were launched`)
  return faults
}

/** The last line's object: the words of the demand first. */
export function summary(seed: number, counts: Counts) {
  const { kills, starts, doubleRuns, silentLosses, hangs, outputMismatches, orphans, unknowns } = counts
  const {
    runs,
    operations,
    wrongVariables,
    sights,
    launched,
    excusedUnknowns,
    refused,
    outputs,
    replayed,
    freezes,
    cuts,
    fills,
    loadSeconds,
  } = counts
  const startsPerSecond = loadSeconds ? Number((launched / loadSeconds).toFixed(1)) : 0
  const demanded = { kills, starts, doubleRuns, silentLosses, hangs, outputMismatches, orphans, unknowns }
  const beside = {
    wrongVariables,
    sights,
    operations,
    runs,
    seed,
    launched,
    startsPerSecond,
    excusedUnknowns,
    refused,
    outputs,
    replayed,
    freezes,
    cuts,
    fills,
  }
  return { ...demanded, ...beside }
}
