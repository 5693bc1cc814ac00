/** What a run's workflow knows of itself between two decisions; everything that lasts is in the ledger. */
import { type HostCounts, summarize } from '../domain/host-result.js'
import type { OperationView } from '../domain/operation.js'
import type { StepState } from '../domain/step-execution.js'
import type { ClaimedStep } from '../activities/contract.js'

export class RunState {
  name = ''
  actor = ''
  hosts = 0
  steps: ClaimedStep[] = []
  paused = false
  cancelRequested = false
  /** Why nothing happens at the moment, for people. */
  waiting: string | undefined
  /** Grows with each operation, so that whoever waits looks again. */
  changes = 0
  private readonly counts = new Map<string, HostCounts>()

  get stepStates(): StepState[] {
    return this.steps.map((step) => step.state)
  }

  /** What validators judge an operation by. */
  get view(): OperationView {
    return {
      execution: this.cancelRequested ? 'cancelling' : this.paused ? 'paused' : 'running',
      cancelRequested: this.cancelRequested,
      steps: this.stepStates,
    }
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
