/** The judge: compares what the platform says of a run with what its scripts' own files say. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { dispatchId } from '../../proto/index'
import { type ExecutionView, type HostResultView, pause, type TestApi } from '../helpers/api'
import type { EffectFiles, TaskEffects } from './effects'
import type { FaultLog } from './fault-log'
import type { Lab } from './lab'
import type { Run } from './load'
import type { StepShape } from './shapes'
import { type StepSights, wrongSights } from './sights'

// Output follows its verdict, which does not wait for it: what was written last may still be on the host when judging begins.
const OUTPUT_WITHIN_MS = 60_000

// Of its start: on a machine that everything else uses, too, a shell takes so long to come to its first line.
const STRUCK_WITHIN_MS = 2_000

export interface Tally {
  /** Scripts that began, by their own files. */
  starts: number
  /** Script starts that were asked for: hosts × attempts of every step that began. */
  launched: number
  /** Tasks that began twice, or that nobody ordered. */
  doubleRuns: number
  /** Hosts whose end is missing or says what their files deny. */
  silentLosses: number
  outputMismatches: number
  /** Values of variables that tasks should not have seen. */
  wrongVariables: number
  /** Tasks whose sight of variables was compared. */
  sights: number
  unknowns: number
  /** Of those: wrapper killed or host rebooted by the driver. */
  excusedUnknowns: number
  /** Refused before they began, and said so: full disk, or no session for a minute. */
  refused: number
  /** Outputs compared. */
  outputs: number
}

export const emptyTally = (): Tally => ({
  starts: 0,
  launched: 0,
  doubleRuns: 0,
  silentLosses: 0,
  outputMismatches: 0,
  wrongVariables: 0,
  sights: 0,
  unknowns: 0,
  excusedUnknowns: 0,
  refused: 0,
  outputs: 0,
})

export interface Finding {
  kind:
    | 'doubleRun'
    | 'silentLoss'
    | 'outputMismatch'
    | 'wrongVariable'
    | 'unknown'
    | 'hang'
    | 'orphan'
    | 'history'
    | 'part'
  what: string
  executionId?: string
  /** Of a history that does not replay. */
  workflowId?: string
  shape?: string
  at?: number
  detail?: unknown
}

interface HostCase {
  run: Run
  view: ExecutionView & { endedAt?: string | null }
  stepId: string
  position: number
  shape: StepShape
  host: HostResultView
  /** By dispatch id. */
  tasks: Map<string, TaskEffects>
}

const quiet: TaskEffects = { starts: 0, ends: 0 }

export class Judge {
  readonly tally = emptyTally()
  readonly findings: Finding[] = []
  private readonly beganAt = Date.now()
  private readonly lab: Lab
  private readonly api: TestApi
  private readonly effects: EffectFiles
  private readonly log: FaultLog

  constructor(parts: { lab: Lab; api: TestApi; effects: EffectFiles; log: FaultLog }) {
    this.lab = parts.lab
    this.api = parts.api
    this.effects = parts.effects
    this.log = parts.log
  }

  /** Judges a run that has ended. */
  async judge(run: Run): Promise<void> {
    const view = await this.api.get(run.id)
    const effects = this.effects.read(run.id)
    const sights: StepSights[] = []
    for (const step of view.steps) {
      // What takes a step back begins and ends as that step does, on the hosts where that has begun.
      const shape = run.shape.steps[step.undoes ?? step.position]
      const hosts = await this.api.hosts(run.id, step.position)
      const wanted = sights[step.undoes ?? -1]?.hosts.filter((host) => host.started === 'yes').length
      if (!shape || hosts.length !== (wanted ?? run.shape.hosts))
        this.find(
          'silentLoss',
          run,
          `step ${step.position} has ${hosts.length} hosts of ${wanted ?? run.shape.hosts}`,
        )
      sights.push({ stepId: step.id, hosts, effects: new Map(effects) })
      for (const host of hosts) {
        const tasks = effects.get(`${step.id} ${host.hostId}`) ?? new Map<string, TaskEffects>()
        effects.delete(`${step.id} ${host.hostId}`)
        if (!shape) continue
        const hostCase = { run, view, stepId: step.id, position: step.position, shape, host, tasks }
        this.judgeStarts(hostCase)
        this.judgeEnd(hostCase, step.state)
        await this.judgeOutput(hostCase)
      }
    }
    if (run.shape.handsOn) for (const what of wrongSights(sights)) this.find('wrongVariable', run, what)
    for (const [key] of effects)
      this.find('doubleRun', run, `something ran that no step and host of it is: ${key}`)
  }

  private find(kind: Finding['kind'], run: Run, what: string, hostCase?: HostCase): void {
    if (kind === 'doubleRun') this.tally.doubleRuns++
    if (kind === 'silentLoss') this.tally.silentLosses++
    if (kind === 'outputMismatch') this.tally.outputMismatches++
    if (kind === 'wrongVariable') this.tally.wrongVariables++
    const detail = hostCase && { host: hostCase.host, tasks: [...hostCase.tasks], state: hostCase.view.state }
    this.findings.push({ kind, what, executionId: run.id, shape: run.shape.name, at: run.launchedAt, detail })
  }

  private judgeStarts(hostCase: HostCase): void {
    const { run, stepId, host, tasks } = hostCase
    const ordered = new Set<string>()
    for (let attempt = 1; attempt <= host.attempt; attempt++)
      ordered.add(dispatchId(stepId, attempt, host.hostId).toString('hex'))
    for (const [task, { starts, saw }] of tasks) {
      this.tally.starts += starts
      if (saw) this.tally.sights++
      if (starts > 1) this.find('doubleRun', run, `task ${task} began ${starts} times`, hostCase)
      if (!ordered.has(task))
        this.find('doubleRun', run, `task ${task} is none of the host's attempts`, hostCase)
    }
  }

  private judgeEnd(hostCase: HostCase, stepState: string): void {
    const { run, host, tasks, stepId } = hostCase
    const last = tasks.get(dispatchId(stepId, host.attempt, host.hostId).toString('hex')) ?? quiet
    const lost = (why: string) => this.find('silentLoss', run, why, hostCase)
    // A step that the run never came to asked for no start; its hosts say so.
    const began = stepState !== 'pending' && stepState !== 'skipped' && !isUntouched(hostCase, stepState)
    if (began) this.tally.launched += host.attempt
    if (host.started === 'no' && last.starts) lost('started by its files, not by the ledger')
    if (host.started === 'yes' && !last.starts && !this.wasStruckDown(hostCase))
      lost('started by the ledger, not by its files')
    switch (host.state) {
      case 'succeeded':
        if (last.starts < 1 || last.ends < 1) lost('succeeded without having run to its end')
        return
      case 'failed':
        if (!this.mayFail(hostCase, last)) lost('failed, and nothing made it fail')
        return
      case 'cancelled':
        if (!run.cancelAsked && !['hard pause', 'next'].includes(run.shape.followUp))
          lost('cancelled, and nobody asked for it')
        return
      case 'rejected':
        this.tally.refused++
        if (!this.mayReject(host)) lost('rejected without a reason that the driver gave')
        return
      case 'offline':
        this.tally.refused++
        return
      case 'unknown':
        return this.judgeUnknown(hostCase)
      case 'skipped':
        if (began && !mayLeaveOut(run)) lost('skipped, and nobody asked for it')
        return
      case 'pending':
        if (began) lost('has no verdict')
        return
      default:
        lost(`its run has ended and it is ${host.state}`)
    }
  }

  /** Cancelled in the moment in which it began: its process was there, and came to no instruction of ours. */
  private wasStruckDown({ host, stepId }: HostCase): boolean {
    if (host.state !== 'cancelled' || host.exitCode === 0) return false
    const task = dispatchId(stepId, host.attempt, host.hostId).toString('hex')
    const read = (name: string) => {
      const file = path.join(this.lab.stateOf(host.hostName), 'spool/tasks', task, name)
      return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
    }
    const [, startTicks] = read('pid').split(' ')
    if (!read('group') || !startTicks || !read('cancel.json')) return false
    const { receivedUptimeMs } = JSON.parse(read('cancel.json')) as { receivedUptimeMs: number }
    // Uptime in ticks of 10 ms, as the wrapper read it.
    return receivedUptimeMs - Number(startTicks) * 10 < STRUCK_WITHIN_MS
  }

  private mayFail({ shape, tasks, host }: HostCase, last: TaskEffects): boolean {
    // What it set is lost on a full disk, and the step says so rather than go on with the value of before.
    if (host.reason === 'variable_not_captured' && isCut(host)) return this.isOnSmallDisk(host)
    const starts = [...tasks.values()].reduce((sum, task) => sum + task.starts, 0)
    return shape.ends === 'fails first' && starts === 1 && last.starts === 1 && host.exitCode === 3
  }

  private mayReject(host: HostResultView): boolean {
    const isFull = ['agent_disk_full', 'spool_full', 'start_failed'].includes(host.reason ?? '')
    return isFull && this.isOnSmallDisk(host)
  }

  private isOnSmallDisk({ hostName }: HostResultView): boolean {
    return hostName === this.lab.smallDisk?.host
  }

  private judgeUnknown(hostCase: HostCase): void {
    const { run, host, stepId, view } = hostCase
    this.tally.unknowns++
    const task = dispatchId(stepId, host.attempt, host.hostId).toString('hex')
    const endedAt = view.endedAt ? Date.parse(view.endedAt) : Date.now()
    const rebooted = this.log.reboots.some(
      ({ host: name, at }) => name === host.hostName && at >= run.launchedAt - 1_000 && at <= endedAt + 1_000,
    )
    if (rebooted || this.log.wrappersKilled.has(task)) this.tally.excusedUnknowns++
    else this.find('unknown', run, 'unknown, and the driver gave no reason', hostCase)
  }

  private async judgeOutput(hostCase: HostCase): Promise<void> {
    const { run, host, shape, position } = hostCase
    if (!shape.stdoutSha256 || host.state !== 'succeeded') return
    this.tally.outputs++
    let got = ''
    for (let isLast = false; !isLast; await pause(isLast ? 0 : 500)) {
      isLast = Date.now() - this.beganAt > OUTPUT_WITHIN_MS
      const output = await this.api.output(run.id, host.hostId, 'stdout', position).catch(() => undefined)
      got = output ? createHash('sha256').update(output).digest('hex') : 'no answer'
      if (got === shape.stdoutSha256) return
      // A full disk may cost output, but only with a mark that says so.
      if (isCut(host) && this.isOnSmallDisk(host)) return
    }
    this.find(
      'outputMismatch',
      run,
      `output of step ${position} has sha256 ${got}, not ${shape.stdoutSha256}`,
      hostCase,
    )
  }
}

function isCut(host: HostResultView & { truncated?: boolean }): boolean {
  return host.truncated === true
}

/** Given to nobody: the run ended before the step began, or an operator left the host out. */
function isUntouched({ run, host, tasks }: HostCase, stepState: string): boolean {
  return (stepState === 'cancelled' || mayLeaveOut(run)) && host.started === 'no' && !tasks.size
}

const mayLeaveOut = ({ shape }: Run): boolean => ['next', 'skip step', 'skip host'].includes(shape.followUp)
