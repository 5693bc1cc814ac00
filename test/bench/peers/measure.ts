/** The rows of one face of a peer: the same for all of them. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pause } from '../../helpers/api'
import { atLeast, type Bench } from '../bench'
import { percentile, spreadOf } from '../statistics'
import { settle } from './calm'
import type { Caller } from './caller'
import { FLOOD_BYTES, floodScript } from './flood'

const WARM_UP = 2
const WARM_WITHIN_MS = 120_000
const LEAST_ROUNDS = 5
const MOST_ROUNDS = 15
// Slow ones get fewer rounds than quick ones.
const ROUNDS_WITHIN_MS = 20_000
const BETWEEN_MS = 300
const SIGHTS = 5
const KILL_AFTER_MS = 3_000
const SCRIPT_SECONDS = 8
const INTERRUPTED_HOSTS = 10

export interface Wanted {
  sizes: readonly number[]
  /** Nothing that was told may be less than everything: for our own rows. */
  strict?: boolean
}

/** What was measured, by what it is about: medians in the row's unit, to be set beside those of others. */
export type Medians = Map<string, number>

export async function measureCaller(bench: Bench, caller: Caller, wanted: Wanted): Promise<Medians> {
  const medians: Medians = new Map()
  await settle(bench)
  for (const hosts of wanted.sizes)
    medians.set(hostsWord(hosts), await echo(bench, caller, hosts, wanted.strict))
  await firstSight(bench, caller, medians)
  await flood(bench, caller, medians)
  await interrupted(bench, caller, wanted)
  return medians
}

const hostsWord = (hosts: number) => (hosts === 1 ? 'one host' : `${hosts} hosts`)

async function echo(bench: Bench, caller: Caller, hosts: number, strict = false): Promise<number> {
  await warmUp(caller, hosts)
  const samples: number[] = []
  const until = Date.now() + ROUNDS_WITHIN_MS
  for (
    let incomplete = 0;
    samples.length < LEAST_ROUNDS || (samples.length < MOST_ROUNDS && Date.now() < until);
    await pause(BETWEEN_MS)
  ) {
    const from = performance.now()
    const said = await caller.echo(hosts)
    if (said === hosts) {
      samples.push(performance.now() - from)
      continue
    }
    // Minions that did not return are no news of Salt; the time of such an answer is no time to compare with.
    bench.say(`! ${caller.name}: only ${said} of ${hosts} hosts said hi`)
    if (strict || ++incomplete > LEAST_ROUNDS) throw new Error(`${caller.name} does not reach all hosts`)
  }
  const value = percentile(samples, 0.5)
  bench.row({
    name: `${caller.name}: \`echo hi\` on ${hostsWord(hosts)}`,
    unit: 'ms',
    hosts: 'real',
    n: samples.length,
    value,
    spread: spreadOf(samples, 0.5),
  })
  return value
}

/** Until all hosts answered some times in a row: connections are made, and those lost by what was killed are back. */
async function warmUp(caller: Caller, hosts: number): Promise<void> {
  const until = Date.now() + WARM_WITHIN_MS
  for (let inRow = 0; inRow < WARM_UP; await pause(BETWEEN_MS)) {
    const said = await caller.echo(hosts)
    inRow = said === hosts ? inRow + 1 : 0
    if (Date.now() > until) throw new Error(`${caller.name}: ${said} of ${hosts} hosts said hi`)
  }
}

async function firstSight(bench: Bench, caller: Caller, medians: Medians): Promise<void> {
  if (!caller.firstSight) return
  const samples: number[] = []
  for (let n = 0; n < SIGHTS; n++) {
    const ms = await caller.firstSight('echo first; sleep 3; echo second', 'first')
    samples.push(ms / 1_000)
    await pause(BETWEEN_MS)
  }
  const value = percentile(samples, 0.5)
  medians.set('first line', value)
  bench.row({
    name: `${caller.name}: first line seen of a script that runs for 3 s`,
    unit: 's',
    hosts: 'real',
    n: samples.length,
    value,
    spread: spreadOf(samples, 0.5),
  })
}

async function flood(bench: Bench, caller: Caller, medians: Medians): Promise<void> {
  if (!caller.flood) return
  await settle(bench)
  const from = performance.now()
  const { bytes, instead, storedAt } = await caller.flood(floodScript)
  const now = performance.now()
  const one = { hosts: 'real', n: 1 } as const
  const what = `${caller.name}: ${FLOOD_BYTES / 1e6} MB of output from one host`
  if (storedAt)
    bench.row({ ...one, name: `${what}, until stored`, unit: 's', value: (storedAt - from) / 1_000 })
  bench.row({ ...one, name: `${what}, until in the caller's hands`, unit: 's', value: (now - from) / 1_000 })
  bench.row({ ...one, name: `${what}, of it came`, unit: 'MB', value: bytes / 1e6 })
  // Time for output that did not come is no time to compare with.
  if (bytes === FLOOD_BYTES) medians.set(`${FLOOD_BYTES / 1e6} MB of output`, (now - from) / 1_000)
  else bench.say(`${caller.name} lost output${instead ? `; instead came: ${instead}` : ''}`)
}

async function interrupted(bench: Bench, caller: Caller, { sizes, strict }: Wanted): Promise<void> {
  if (!caller.interrupted) return
  await settle(bench)
  const hosts = Math.min(INTERRUPTED_HOSTS, Math.max(...sizes))
  // Open to whoever runs the scripts.
  const folder = mkdtempSync(path.join(tmpdir(), 'dp-'))
  try {
    const script = `sleep ${SCRIPT_SECONDS}; touch ${folder}/$$; echo the-end`
    const { killed, told, byHand, saw } = await caller.interrupted({
      hosts,
      script,
      word: 'the-end',
      afterMs: KILL_AFTER_MS,
    })
    await pause(SCRIPT_SECONDS * 1_000)
    const ended = existsSync(folder) ? readdirSync(folder).length : 0
    bench.say(`${caller.name}, ${killed} killed: ${ended} of ${hosts} scripts ran to their end; ${saw}`)
    const row = { unit: 'hosts', hosts: 'real', n: hosts } as const
    const what = `${caller.name}: ${killed} killed in mid-run on ${hostsWord(hosts)}`
    const must = strict ? { must: atLeast(hosts) } : {}
    bench.row({ ...row, ...must, name: `${what}, results told`, value: told })
    if (byHand !== undefined) bench.row({ ...row, name: `${what}, found by hand`, value: byHand })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
