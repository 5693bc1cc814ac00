/** What the Temporal UI shows of a run: its details and its search attributes, written only when they change. */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow'
import type { RunState } from './run-state.js'

const stateKey = defineSearchAttributeKey('DroverState', SearchAttributeType.KEYWORD)
const attentionKey = defineSearchAttributeKey('DroverAttention', SearchAttributeType.BOOL)

export class Display {
  // The start says `running`, so that a run which nothing happens to needs no event for it; a later run goes on with its own.
  private shown = workflowInfo().typedSearchAttributes.get(stateKey) ?? 'running'
  private since = new Date()

  show(run: RunState, state: string = run.view.execution): void {
    if (state !== this.shown) {
      this.shown = state
      this.since = new Date()
      upsertSearchAttributes([
        { key: stateKey, value: state },
        { key: attentionKey, value: state === 'paused' || state === 'failed' },
      ])
    }
    setCurrentDetails(run.describe(this.since))
  }
}
