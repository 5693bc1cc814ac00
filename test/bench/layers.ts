/** Where the time of one launch goes: the milestones that Temporal, the script and the caller tell of it, on one clock. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import type { Drover } from '../../sdk/index'
import type { Platform } from '../../stack/platform/platform'
import { pause } from '../helpers/api'
import type { Bench } from './bench'
import { startPartTimes } from './part-times'
import { cpuSecondsOfEnded } from './process-use'
import { percentile, spreadOf } from './statistics'

const ROUNDS = 50
const IDLE_MS = 100

/** In the order in which they are passed. */
const milestones = [
  'the call',
  'workflow started in Temporal',
  'workflow task taken by the worker',
  'workflow task done: claimed, resolved, signed',
  'shard taken by the gateway',
  'first instruction of the script',
  'shard done: accepted, run, told, settled',
  'second workflow task taken by the worker',
  'second workflow task done: verdict and end',
  'end seen by the caller',
] as const

type Attributes =
  | 'workflowExecutionStartedEventAttributes'
  | 'workflowTaskStartedEventAttributes'
  | 'workflowTaskCompletedEventAttributes'
  | 'activityTaskStartedEventAttributes'
  | 'activityTaskCompletedEventAttributes'
  | 'workflowExecutionCompletedEventAttributes'

/** Milliseconds since the epoch of each milestone of one launch. */
type Times = number[]

/** A row for each way from one milestone to the next, of idle launches. */
export async function layers(bench: Bench, platform: Platform, drover: Drover): Promise<void> {
  const connection = await Connection.connect({ address: platform.env['DROVER_TEMPORAL_ADDRESS'] ?? '' })
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-bench-'))
  try {
    const all: Times[] = []
    const startedBefore = secondsOfStarted(platform)
    const tellTimes = startPartTimes(platform, [AGENT])
    for (let n = 0; n < ROUNDS; n++) {
      const times = await oneLaunch(drover, new Client({ connection }), path.join(folder, String(n)))
      if (times) all.push(times)
      await pause(IDLE_MS)
    }
    tell(bench, all)
    tellTimes(bench, { what: 'a launch', n: ROUNDS, hosts: 'real' })
    bench.row({
      name: `processor time of what ${AGENT} started for a launch`,
      unit: 'ms',
      hosts: 'real',
      n: ROUNDS,
      value: ((secondsOfStarted(platform) - startedBefore) * 1_000) / ROUNDS,
    })
  } finally {
    await connection.close()
    rmSync(folder, { recursive: true })
  }
}

function tell(bench: Bench, all: readonly Times[]): void {
  for (let at = 1; at < milestones.length; at++) {
    const samples = all.map((times) => (times[at] ?? 0) - (times[at - 1] ?? 0))
    bench.row({
      name: `layer ${at}: → ${milestones[at]}, p50`,
      unit: 'ms',
      hosts: 'real',
      n: samples.length,
      value: percentile(samples, 0.5),
      spread: spreadOf(samples, 0.5),
    })
  }
}

const AGENT = 'rack-a-1'
const secondsOfStarted = (platform: Platform) => cpuSecondsOfEnded(platform.child(AGENT).pid ?? 0)

const now = () => performance.timeOrigin + performance.now()

/** @returns undefined where the launch took another way than the usual one, with more workflow tasks */
async function oneLaunch(drover: Drover, client: Client, file: string): Promise<Times | undefined> {
  const called = now()
  const { id } = await drover.launch({
    target: '*',
    plan: {
      name: 'layers',
      steps: [{ name: 'only', language: 'bash', script: `echo $EPOCHREALTIME > ${file}` }],
    },
  })
  for await (const event of drover.watchEvents(id)) void event
  const seen = now()
  const first = Number(readFileSync(file, 'utf8')) * 1_000
  const handle = client.workflow.getHandle(`execution/default/${id}`)
  // The caller is told by the ledger, a moment before the engine is.
  await handle.result()
  const { events } = await handle.fetchHistory()
  const at = (kind: Attributes, nth = 0) => {
    const found = (events ?? []).filter((event) => event[kind])[nth]
    const { seconds, nanos } = found?.eventTime ?? {}
    return Number(seconds) * 1_000 + Number(nanos) / 1e6
  }
  const times = [
    called,
    at('workflowExecutionStartedEventAttributes'),
    at('workflowTaskStartedEventAttributes'),
    at('workflowTaskCompletedEventAttributes'),
    at('activityTaskStartedEventAttributes'),
    first,
    at('activityTaskCompletedEventAttributes'),
    at('workflowTaskStartedEventAttributes', 1),
    at('workflowExecutionCompletedEventAttributes'),
    seen,
  ]
  return times.some(Number.isNaN) ? undefined : times
}
