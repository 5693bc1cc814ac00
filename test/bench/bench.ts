/** What a group of measurements is given, and gives. */
import type { Platform, PlatformOptions } from '../../stack/platform/platform'
import { startTestPlatform } from '../helpers/platform'
import type { Bound, Measured } from './row'
import { percentile, spreadOf } from './statistics'

export interface Bench {
  row(measured: Measured): void
  /** What is under way, for people. */
  say(line: string): void
}

export interface Group {
  name: string
  /** What it measures, for --help. */
  about: string
  run(bench: Bench): Promise<void>
}

/** A platform of its own, ended with the work; every agent is connected when it begins. */
export async function onPlatform<T>(
  bench: Bench,
  options: PlatformOptions,
  work: (platform: Platform) => Promise<T>,
): Promise<T> {
  const platform = await startTestPlatform({ log: (line) => bench.say(`! ${line}`), ...options })
  try {
    return await work(platform)
  } finally {
    await platform.close()
  }
}

export interface Promised {
  share: number
  must?: Bound
  aim?: number
}

/** A row for each percentile of the samples. */
export function percentileRows(
  bench: Bench,
  of: { name: string; unit: string; hosts: Measured['hosts']; samples: readonly number[] },
  promises: readonly Promised[],
): void {
  const { name, samples, ...rest } = of
  for (const { share, ...bounds } of promises)
    bench.row({
      ...rest,
      ...bounds,
      name: `${name}, ${share === 1 ? 'max' : `p${share * 100}`}`,
      n: samples.length,
      value: percentile(samples, share),
      spread: spreadOf(samples, share),
    })
}

export const atMost = (value: number): Bound => ({ op: '<=', value })
export const atLeast = (value: number): Bound => ({ op: '>=', value })
