/** A simulated fleet beside a stack's own hosts: one program that plays many hosts, supervised like a role. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import { checkout } from '../embedded/find.js'
import type { Child } from '../supervise/child.js'
import type { Platform } from './platform.js'

export interface SimulatedOptions {
  /** Of the group `sim`, or of the one group that names no count. */
  agents?: number
  /** As `--group`: `name=web,count=100,latency=50ms-2s,fail=0.01,lag=200ms,disconnect=30s,output=64k,label.rack=a`. */
  groups?: string[]
  seed?: number
  /** How many hosts begin to connect in a second. */
  ramp?: number
  /** Of the child and its folder; `simulated` unless told. */
  name?: string
}

/** What the program says of itself twice a second; the shape is agent/simulate/status.ts's. */
export interface SimulatedStatus {
  pid: number
  startLog: string
  at: string
  hosts: number
  joined: number
  sessions: number
  running: number
  starts: number
  done: number
  twice: number
}

/** A line of the start log. */
export interface SimulatedStart {
  at: string
  host: string
  dispatchId: string
  executionId: string
  stepExecutionId: string
  attempt: number
}

export interface SimulatedFleet {
  /** To kill, stop and start it. */
  child: Child
  /** Undefined while the process that runs has said nothing yet. */
  status(): SimulatedStatus | undefined
  /** Resolves when so many sessions are up; all of them unless told. Throws with the end of the log after `timeoutMs`. */
  waitConnected(timeoutMs?: number, count?: number): Promise<SimulatedStatus>
  /** Every start that was ever made, of one execution if told. */
  starts(executionId?: string): SimulatedStart[]
}

/** Starts it; hosts that have no certificate yet join first. */
export function startSimulated(platform: Platform, options: SimulatedOptions): SimulatedFleet {
  const name = options.name ?? 'simulated'
  const state = join(platform.data, name)
  const child = platform.startChild({
    name,
    command: process.execPath,
    args: [join(checkout(), 'dist/agent/simulate/main.js'), ...argumentsOf(options, state)],
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      // Thousands of hosts say each of their sessions otherwise.
      DROVER_LOG_LEVEL: process.env['DROVER_LOG_LEVEL'] ?? 'error',
      ...platform.env,
    },
    graceMs: 15_000,
  })
  const status = () => readStatus(state, child)
  return {
    child,
    status,
    async waitConnected(timeoutMs = 120_000, count) {
      for (const until = Date.now() + timeoutMs; ; await delay(100)) {
        const now = status()
        if (now && now.sessions >= (count ?? now.hosts)) return now
        if (Date.now() > until || child.state === 'failed')
          throw new Error(`the simulated fleet is not connected: ${JSON.stringify(now)}\n${child.tail()}`)
      }
    },
    starts(executionId) {
      const file = status()?.startLog ?? readStatus(state)?.startLog
      const all = file && existsSync(file) ? readFileSync(file, 'utf8').split('\n').flatMap(parseStart) : []
      return executionId === undefined ? all : all.filter((start) => start.executionId === executionId)
    },
  }
}

function argumentsOf(options: SimulatedOptions, state: string): string[] {
  const { agents, groups = [], seed, ramp } = options
  return [
    ...(agents === undefined ? [] : ['--agents', String(agents)]),
    ...groups.flatMap((group) => ['--group', group]),
    ...(seed === undefined ? [] : ['--seed', String(seed)]),
    ...(ramp === undefined ? [] : ['--ramp', String(ramp)]),
    '--state',
    state,
  ]
}

function readStatus(state: string, of?: Child): SimulatedStatus | undefined {
  try {
    const status = JSON.parse(readFileSync(join(state, 'status.json'), 'utf8')) as SimulatedStatus
    // A file of an earlier process says nothing about this one.
    return of && status.pid !== of.pid ? undefined : status
  } catch {
    return undefined
  }
}

function parseStart(line: string): SimulatedStart[] {
  const [at = '', host = '', dispatchId = '', executionId = '', stepExecutionId = '', attempt] =
    line.split(' ')
  if (attempt === undefined) return []
  return [{ at, host, dispatchId, executionId, stepExecutionId, attempt: Number(attempt) }]
}
