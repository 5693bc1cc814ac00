/** What a group of measurements is given, and gives. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

let folders: string | undefined
let made = 0

/**
 * A platform's data, which goes with the whole run and not with its group: ext4 without a journal looks at each inode that
 * was freed within the last five minutes before it makes a file, and agents paid for that with as much time again.
 */
function dataFolder(): string {
  if (folders === undefined) {
    const root = mkdtempSync(join(tmpdir(), 'drover-'))
    // PostgreSQL has an account of its own.
    chmodSync(root, 0o711)
    process.once('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 10 }))
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
    folders = root
  }
  const folder = join(folders, String(++made))
  mkdirSync(folder)
  return folder
}

/** A platform whose data stays until the bench ends; every agent is connected. */
export function startBenchPlatform(bench: Bench, options: PlatformOptions): Promise<Platform> {
  const log = (line: string) => bench.say(`! ${line}`)
  return startTestPlatform({ log, data: dataFolder(), ephemeral: false, ...options })
}

/** A platform of its own, ended with the work; every agent is connected when it begins. */
export async function onPlatform<T>(
  bench: Bench,
  options: PlatformOptions,
  work: (platform: Platform) => Promise<T>,
): Promise<T> {
  const platform = await startBenchPlatform(bench, options)
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
