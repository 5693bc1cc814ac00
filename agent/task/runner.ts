/** Carries one accepted task to its end: starts or re-adopts the wrapper, takes in output, ends it when it must. */
import type { ChildProcess } from 'node:child_process'
import { delay } from '../../base/backoff.js'
import { createLogger } from '../../base/logger.js'
import { Started, TaskState } from '../../proto/index.js'
import { baseEnvironment, planScript, type ScriptPlan, scriptCommand } from '../capability/run-script.js'
import type { Cancel, ExitRecord, Timeout, WrapperRecord } from '../journal/records.js'
import { claimName } from '../journal/task-folder.js'
import { killTree, type Tree } from '../process/kill-tree.js'
import { carriesMarker, isRunning, taskMarker, ticksToMs, uptimeMs } from '../process/proc.js'
import { startWrapper } from '../process/start-wrapper.js'
import { NO_RECORD } from '../process/wrapper.js'
import type { TaskHost } from './host.js'
import { isRefusal, type Refusal } from './refusal.js'
import type { Task } from './task.js'
import {
  cancelledReboot,
  cancelledUnstarted,
  decideVerdict,
  interrupted,
  mayReboot,
  notBootedAgain,
  rejected,
  type Verdict,
} from './verdict.js'
import { capOf } from './result.js'
import { Watch } from './watch.js'

const log = createLogger('agent:task')

// How long a wrapper may take to record an exit after its script's tree is gone.
const RECORD_MS = 2_000

/** Whether the script's own process lives, whoever watches it. */
export async function isScriptRunning(task: Task, host: Pick<TaskHost, 'journal'>): Promise<boolean> {
  const group = await task.folder.readGroup()
  return group !== undefined && carriesMarker(group, taskMarker(host.journal.id, task.id))
}

export interface RunnerEvents {
  /** The state that the server knows has changed. */
  changed(task: Task): void
  /** There is output to send. */
  output(task: Task): void
}

export class Runner {
  readonly task: Task
  private readonly host: TaskHost
  private readonly events: RunnerEvents
  private readonly watch: Watch
  private child: ChildProcess | undefined
  private childEnded = false
  private wrapper: WrapperRecord | undefined
  private cancel: Cancel | undefined
  /** The cancel that the last verdict knew of. */
  private judged: Cancel | undefined
  private timeout: Timeout | undefined
  private ending: Promise<number[]> | undefined
  private leftOver: number[] | undefined
  private stopped = false

  constructor(task: Task, host: TaskHost, events: RunnerEvents) {
    this.task = task
    this.host = host
    this.events = events
    this.watch = new Watch(task.folder.path)
  }

  /**
   * Starts the script under the given claim, then watches it.
   * @returns the verdict, or undefined when the agent itself stopped first
   */
  async start(slot: number): Promise<Verdict | undefined> {
    const { task, host } = this
    const plan = await planScript(task.script, { ...host, policy: host.policy(), isReboot: task.isReboot })
    if (isRefusal(plan)) return this.giveUp(slot, plan)
    try {
      this.child = this.spawn(plan, slot, await this.host.cgroups?.make(this.task.id))
    } catch (error) {
      return this.giveUp(slot, {
        code: 'start_failed',
        detail: `the wrapper did not start: ${(error as Error).message}`,
      })
    }
    const onEnd = () => {
      this.childEnded = true
      this.watch.poke()
    }
    this.child.once('exit', onEnd)
    this.child.once('error', (error) => {
      log.warn({ taskId: task.id, err: error }, 'a wrapper could not be started')
      onEnd()
    })
    return this.follow()
  }

  /** Watches a task that an earlier life of the agent started. */
  async adopt(): Promise<Verdict | undefined> {
    this.cancel = await this.task.folder.readCancel()
    this.timeout = await this.task.folder.readTimeout()
    if (this.task.isReboot) this.countFromOrder()
    return this.follow()
  }

  /** Where nobody knows when its command was given, the time of a reboot counts from the order. */
  private countFromOrder(): undefined {
    this.task.startedUptimeMs ??= this.task.intent?.acceptedUptimeMs
  }

  /** Ends the task for a cancel that is in the journal. */
  stop(cancel: Cancel): void {
    this.cancel ??= cancel
    this.watch.poke()
  }

  /**
   * Whether a cancel was journalled that the verdict knows nothing of, because it was being written at the last look. It
   * came before the exit all the same: what is told must be what a restart would read from the journal.
   */
  isOvertaken({ state }: Verdict): boolean {
    const isFree = state === TaskState.TASK_STATE_EXITED || state === TaskState.TASK_STATE_INTERRUPTED
    return isFree && this.cancel !== this.judged
  }

  /** The verdict anew, with the cancel that overtook it; takes as long as ending what is left of the task. */
  async reconsider(): Promise<Verdict> {
    for (;;) {
      const verdict = await this.look()
      if (verdict) return verdict
      await this.ending
    }
  }

  /** Stops watching and leaves the script alone. */
  detach(): void {
    this.stopped = true
    this.watch.poke()
    this.watch.close()
  }

  private spawn(plan: ScriptPlan, slot: number, cgroupProcs: string | undefined): ChildProcess {
    const { task, host } = this
    const { order, intent } = task
    const owner = plan.own ? undefined : plan.account
    if (owner) task.folder.ownPipes(owner)
    return startWrapper({
      wrapper: host.journal.wrapper,
      taskFolder: task.folder.path,
      claim: claimName(slot),
      cgroupProcs,
      setsid: host.setsid,
      owner,
      capBytes: intent && capOf(intent.spec),
      command: scriptCommand(plan, intent, host.tools),
      environment: {
        ...baseEnvironment(plan.account),
        ...taskMarker(host.journal.id, task.id),
        DROVER_EXECUTION: String(order?.executionId ?? ''),
        DROVER_STEP: String(order?.stepExecutionId ?? ''),
        DROVER_HOST: host.hostId,
        ...(task.isReboot ? { DROVER_REBOOT_COMMAND: host.rebootCommand } : {}),
        ...(host.marker ? { DROVER_STACK: host.marker } : {}),
      },
    })
  }

  /** Nothing runs: make sure of it, and say so. */
  private async giveUp(slot: number, refusal: Refusal): Promise<Verdict | undefined> {
    if (await this.task.folder.voidClaim(slot)) return rejected(refusal.code, refusal.detail)
    return this.follow()
  }

  private async follow(): Promise<Verdict | undefined> {
    try {
      let active = true
      while (!this.stopped) {
        const verdict = await this.look()
        if (verdict) return verdict
        const taken = await this.takeOutput()
        active = taken > 0 || this.wrapper === undefined
        await this.watch.next(active, this.dueInMs())
      }
      return undefined
    } finally {
      this.watch.close()
    }
  }

  /** One look at the evidence; a verdict when the task is over. */
  private async look(): Promise<Verdict | undefined> {
    const { folder } = this.task
    if (!this.wrapper) await this.noteWrapper()
    const exit = await folder.readExit()
    if (exit && this.awaitsBoot(exit)) return this.dueInMs() <= 0 ? notBootedAgain(exit) : undefined
    if (exit) {
      // What it left of itself goes, too: an earlier life of the agent may have died over that.
      if (this.isStopped(exit) && !this.ending) this.end()
      return this.conclude(exit)
    }
    if (this.isOverdue()) await this.decideTimeout()
    if ((this.cancel || this.timeout) && !this.ending) this.end()
    if (this.leftOver) return this.awaitRecord()
    const gone = this.wrapper ? !isRunning(this.wrapper.pid, this.wrapper.startTicks) : this.childEnded
    if (!gone || this.ending) return undefined
    // The wrapper may have recorded the exit between the two looks.
    const late = await folder.readExit()
    if (late) return this.conclude(late)
    // Its wrapper was killed and it runs on: watched to its end, so that a cancel and its time limit still reach it.
    if (await isScriptRunning(this.task, this.host)) return undefined
    // Killed by a host that goes down, perhaps.
    if (this.task.isReboot && !this.timeout && (await folder.readClaims()).taken) return this.countFromOrder()
    return this.concludeWithoutExit()
  }

  /** Whether it is left to the host to go down: the next life of this agent then sees another boot id. */
  private awaitsBoot(exit: ExitRecord): boolean {
    return this.task.isReboot && mayReboot(exit) && !this.cancel && !this.timeout
  }

  /** Whether a cancel or the time limit came before this exit. */
  private isStopped(exit: ExitRecord): boolean {
    const { cancel, timeout } = this
    const verdict = decideVerdict({ exit, cancel, timeout, bootId: this.host.journal.bootId, leftOver: [] })
    return verdict.state !== TaskState.TASK_STATE_EXITED
  }

  private async noteWrapper(): Promise<void> {
    this.wrapper = await this.task.folder.readWrapper()
    if (!this.wrapper) return
    this.task.startedUptimeMs = ticksToMs(this.wrapper.startTicks)
    this.events.changed(this.task)
  }

  private async conclude(exit: ExitRecord | undefined): Promise<Verdict> {
    const leftOver = this.ending ? await this.ending : []
    const began = (await this.task.folder.readGroup()) !== undefined
    const { cancel, timeout } = this
    this.judged = cancel
    if (exit?.status === NO_RECORD && !began)
      return rejected('start_failed', 'the start could not be recorded; look at the disk of the host')
    if (exit && cancel && !timeout && this.task.isReboot && mayReboot(exit))
      return cancelledReboot(cancel.reason)
    return decideVerdict({ exit, cancel, timeout, bootId: this.host.journal.bootId, leftOver })
  }

  /** The tree is gone; the wrapper, which was spared, gets a moment to write the exit status. */
  private async awaitRecord(): Promise<Verdict> {
    const until = performance.now() + RECORD_MS
    while (
      performance.now() < until &&
      this.wrapper &&
      isRunning(this.wrapper.pid, this.wrapper.startTicks)
    ) {
      if (await this.task.folder.readExit()) break
      await delay(10)
    }
    const exit = await this.task.folder.readExit()
    return exit ? this.conclude(exit) : this.concludeWithoutExit()
  }

  private async concludeWithoutExit(): Promise<Verdict> {
    const { folder } = this.task
    const claims = await folder.readClaims()
    if (!claims.taken && (await folder.voidClaim(claims.slot))) {
      if (this.cancel) return cancelledUnstarted(this.cancel.reason)
      return rejected(
        'start_failed',
        'the wrapper ended before it could claim the task; look at the disk and process limits of the host',
      )
    }
    if (this.cancel && !this.timeout && (await this.neverBegan()))
      return cancelledUnstarted(this.cancel.reason)
    if (this.cancel || this.timeout) return this.conclude(await folder.readExit())
    this.judged = undefined
    const seen = (await folder.readGroup()) !== undefined
    return interrupted('interrupted', seen ? Started.STARTED_YES : Started.STARTED_MAYBE)
  }

  /**
   * Whether no process of the task became the script, and none can any more. The process that is about to writes so
   * first of all, and ends if it cannot: that is looked at when nobody is left, the wrapper included.
   */
  private async neverBegan(): Promise<boolean> {
    const { folder } = this.task
    if ((await folder.readGroup()) !== undefined) return false
    const left = await killTree({ ...this.tree, group: undefined, wrapper: undefined }, 0).catch(
      () => undefined,
    )
    if (left?.length !== 0) return false
    return (await folder.readGroup()) === undefined && (await folder.readExit()) === undefined
  }

  private async takeOutput(): Promise<number> {
    const { task, host } = this
    const taken = await task.output.advance(async (capped) => {
      await task.folder.writeCapped(capped)
      await host.journal.advance(task.id)
    })
    if (taken > 0) this.events.output(task)
    return taken
  }

  private isOverdue(): boolean {
    return !this.timeout && !this.cancel && this.dueInMs() <= 0
  }

  private dueInMs(): number {
    const limit = Number(this.task.script.timeoutMs)
    const started = this.task.startedUptimeMs
    if (limit === 0 || started === undefined || this.ending) return Number.POSITIVE_INFINITY
    return started + limit - uptimeMs()
  }

  private async decideTimeout(): Promise<void> {
    const timeout: Timeout = { version: 1, bootId: this.host.journal.bootId, decidedUptimeMs: uptimeMs() }
    try {
      await this.task.folder.writeTimeout(timeout)
    } catch (error) {
      // A full disk must not let a script run on past its time.
      log.warn({ taskId: this.task.id, err: error }, 'a timeout could not be journalled')
    }
    this.timeout = timeout
  }

  /** The wrapper is spared, so the script that it is just about to start must be there before anything is killed. */
  private async awaitGroup(): Promise<number | undefined> {
    const { wrapper, task } = this
    const until = performance.now() + RECORD_MS
    for (;;) {
      const group = await task.folder.readGroup()
      const mayCome = wrapper !== undefined && isRunning(wrapper.pid, wrapper.startTicks)
      if (group !== undefined || !mayCome || performance.now() > until) return group
      await delay(5)
    }
  }

  private get tree(): Omit<Tree, 'group' | 'wrapper'> {
    const { host, task } = this
    return {
      marker: taskMarker(host.journal.id, task.id),
      ownSession: host.setsid !== undefined,
      cgroup: host.cgroups?.of(task.id),
    }
  }

  private end(): void {
    const { task, wrapper } = this
    this.ending = this.awaitGroup()
      .then((group) => {
        // One that is dead spares nobody: its copiers end with the script.
        const spared = wrapper && isRunning(wrapper.pid, wrapper.startTicks) ? wrapper.pid : undefined
        return killTree({ ...this.tree, group, wrapper: spared }, task.script.graceMs)
      })
      .catch((error: unknown) => {
        log.error({ taskId: task.id, err: error }, 'ending a task failed')
        return []
      })
    void this.ending.then((leftOver) => {
      this.leftOver = leftOver
      this.watch.poke()
    })
  }
}
