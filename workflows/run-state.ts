/** What a run's workflow knows of itself between two decisions; everything that lasts is in the ledger. */
import { workflowInfo } from '@temporalio/workflow'
import { type HostCounts, summarize } from '../domain/host-result.js'
import type { ExecutionState } from '../domain/execution.js'
import type { OperationView } from '../domain/operation.js'
import type { StepState } from '../domain/step-execution.js'
import type { ClaimedStep, Next, Resolution, Standing } from '../activities/contract.js'
import { openLedger } from './activities.js'

// Room for the looks of one workflow task, in a number that stays exact until the year 2255.
const LOOKS_PER_MS = 1_000

export class RunState {
  readonly ledger = openLedger()
  /** Nothing is asked of the ledger before the execution is this workflow's. */
  claim: 'open' | 'taken' | 'refused' = 'open'
  actor = ''
  hosts = 0
  steps: ClaimedStep[] = []
  paused = false
  cancelRequested = false
  /** Why nothing happens at the moment, for people. */
  waiting: string | undefined
  /** What the ledger has already decided beyond what it was asked for. */
  private ahead: Next | undefined
  /** Grows with each operation, so that whoever waits looks again. */
  changes = 0
  /** The history is about to be continued as a new one, which answers whoever asks from now on. */
  leaving = false
  /** Events after which the history is continued as a new one; 0 leaves it to Temporal's own advice. */
  historyMaxEvents = 0
  private seq = -1
  private lastLook = 0
  private readonly counts = new Map<string, HostCounts>()

  /** Temporal bounds events and updates (2,000) of one history, and says in time when it nears either. */
  get isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo()
    return continueAsNewSuggested || (this.historyMaxEvents > 0 && historyLength > this.historyMaxEvents)
  }

  get stepStates(): StepState[] {
    return this.steps.map((step) => step.state)
  }

  /** Whether and how an operator holds the run, to compare. */
  get holds(): string {
    return `${this.paused} ${this.cancelRequested}`
  }

  /** What validators judge an operation by. */
  get view(): OperationView {
    return {
      execution: this.cancelRequested ? 'cancelling' : this.paused ? 'paused' : 'running',
      cancelRequested: this.cancelRequested,
      steps: this.stepStates,
    }
  }

  /**
   * Takes over what the ledger says of the execution, and of its steps: it decides, whatever was asked of it. Answers may
   * come in another order than they were given in: an older one is dropped.
   */
  adopt(standing: Standing, steps: ReadonlyMap<ClaimedStep, StepState>): void {
    if (standing.seq < this.seq) return
    this.seq = standing.seq
    this.paused = standing.paused
    this.cancelRequested = standing.cancelRequested
    for (const [step, state] of steps) step.state = state
  }

  /** Whether the ledger has said something newer since. */
  isOlder(standing: Standing): boolean {
    return standing.seq < this.seq
  }

  /** Keeps what the ledger decided beyond what it was asked, in place of what it decided before. */
  keepAhead(next: Next | undefined): void {
    this.ahead = next
    // Steps that were ended on the way to the next one.
    if (next?.do === 'run' && next.steps)
      for (const [step, state] of this.byStep(next.steps)) step.state = state
  }

  /** The look at a step if the ledger has taken it already, once; one at another step is dropped. */
  takeAhead(stepExecutionId: string): Resolution | undefined {
    const { ahead } = this
    this.ahead = undefined
    return ahead?.do === 'run' && ahead.stepExecutionId === stepExecutionId ? ahead.resolution : undefined
  }

  /** How the ledger has ended the run, if it has. */
  get ended(): ExecutionState | undefined {
    return this.ahead?.do === 'end' ? this.ahead.state : undefined
  }

  /** The states of all steps, by step. */
  byStep(states: readonly StepState[]): Map<ClaimedStep, StepState> {
    return new Map(
      this.steps.flatMap((step, index): [ClaimedStep, StepState][] => {
        const state = states[index]
        return state === undefined ? [] : [[step, state]]
      }),
    )
  }

  /**
   * The number of the next look. It holds the time of the workflow task, so that a task which another worker does again
   * has higher numbers than the first one, whose activities may still be under way.
   */
  nextLook(): number {
    this.lastLook = Math.max(this.lastLook + 1, Date.now() * LOOKS_PER_MS)
    return this.lastLook
  }

  setCounts(step: ClaimedStep, counts: HostCounts): void {
    this.counts.set(step.stepExecutionId, counts)
  }

  /** Markdown for the Temporal UI: what runs, on what, since when, and why it waits. */
  describe(since: Date): string {
    const rows = this.steps.map((step, index) => {
      const { ok, bad, open } = summarize(this.counts.get(step.stepExecutionId) ?? { pending: step.hosts })
      return `| ${index + 1} | ${step.name} | ${step.state} | ${step.hosts} | ${ok} | ${bad} | ${open} |`
    })
    const state = this.waiting ?? this.view.execution
    return [
      `**${state}** · ${this.hosts} hosts · by ${this.actor} · since ${since.toISOString()}`,
      '',
      '| # | step | state | hosts | ok | failed | left |',
      '|---|---|---|---|---|---|---|',
      ...rows,
    ].join('\n')
  }
}
