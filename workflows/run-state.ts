/** What a run's workflow knows of itself between two answers; everything that lasts is in the ledger. */
import { workflowInfo } from '@temporalio/workflow'
import { type HostCounts, summarize } from '../domain/host-result.js'
import type { OperationView } from '../domain/operation.js'
import type { StepState } from '../domain/step-execution.js'
import { inPlay, isUndoing } from '../domain/undo.js'
import type { Advance, ClaimedStep, OperationOutcome } from '../activities/contract.js'
import { hostsText } from './activities.js'

// Room for the looks of one workflow task, in a number that stays exact until the year 2255.
const LOOKS_PER_MS = 1_000

export class RunState {
  actor = ''
  hosts = 0
  steps: ClaimedStep[] = []
  /** Events after which the history is continued as a new one; 0 leaves it to Temporal's own advice. */
  historyMaxEvents = 0
  /** No further answer comes: the run has ended, or is carried on by another workflow, or by a new history. */
  over: 'ended' | 'moved' | undefined
  paused = false
  cancelRequested = false
  /** Operations that wait for their decision, in the order in which they came. */
  readonly asked = new Set<string>()
  readonly outcomes = new Map<string, OperationOutcome>()
  private lastLook = 0
  private latest: Advance | undefined
  private readonly counts = new Map<number, HostCounts>()

  /** Temporal bounds events and updates (2,000) of one history, and says in time when it nears either. */
  get isLong(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo()
    return continueAsNewSuggested || (this.historyMaxEvents > 0 && historyLength > this.historyMaxEvents)
  }

  get stepStates(): StepState[] {
    return this.steps.map((step) => step.state)
  }

  /** What validators judge an operation by. */
  get view(): OperationView {
    return {
      execution: this.cancelRequested ? 'cancelling' : this.paused ? 'paused' : 'running',
      cancelRequested: this.cancelRequested,
      steps: inPlay(this.steps).map((step) => step.state),
      undoing: isUndoing(this.steps),
    }
  }

  /** Takes over what the ledger says: it decides, whatever was asked of it. */
  adopt(answer: Advance): void {
    this.latest = answer
    this.paused = answer.standing.paused
    this.cancelRequested = answer.standing.cancelRequested
    for (const [position, step] of this.steps.entries()) step.state = answer.states[position] ?? step.state
    for (const [position, counts] of Object.entries(answer.counts)) this.counts.set(Number(position), counts)
    for (const outcome of answer.outcomes) {
      this.outcomes.set(outcome.operationId, outcome)
      this.asked.delete(outcome.operationId)
    }
  }

  /**
   * The number of the next look. It holds the time of the workflow task, so that a task which another worker does again
   * has higher numbers than the first one, whose activities may still be under way.
   */
  nextLook(): number {
    this.lastLook = Math.max(this.lastLook + 1, Date.now() * LOOKS_PER_MS)
    return this.lastLook
  }

  /** Why nothing happens at the moment, for people. */
  private get waiting(): string | undefined {
    const step = this.latest?.step
    const claimed = step && this.steps[step.position]
    if (this.cancelRequested) return 'cancelling: waiting for scripts to stop'
    if (claimed?.state === 'cancelling') return 'an operator goes past the step: waiting for scripts to stop'
    if (this.paused) return 'paused by an operator: resume or cancel it'
    if (step?.wake) return `${claimed?.name}: waiting for its time, ${step.wake.at}`
    if (step?.missing)
      return `waiting for ${hostsText(step.missing)} to reconnect, or to stop what they still run`
    if (step?.retrying && !step.shards.length)
      return `waiting until ${hostsText(step.retrying)} that failed may run again`
    return undefined
  }

  /** Markdown for the Temporal UI: what runs, on what, since when, and why it waits. */
  describe(since: Date): string {
    const rows = this.steps.map((step, index) => {
      const { total, ok, bad, open } = summarize(this.counts.get(index) ?? { pending: step.hosts })
      return `| ${index + 1} | ${step.name} | ${step.state} | ${total} | ${ok} | ${bad} | ${open} |`
    })
    const state = this.waiting ?? (isUndoing(this.steps) ? 'being undone' : this.view.execution)
    return [
      `**${state}** · ${this.hosts} hosts · by ${this.actor} · since ${since.toISOString()}`,
      '',
      '| # | step | state | hosts | ok | failed | left |',
      '|---|---|---|---|---|---|---|',
      ...rows,
    ].join('\n')
  }
}
