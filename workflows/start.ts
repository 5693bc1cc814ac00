/** How an execution's workflow is started: the same whoever starts it, the API at the launch or the sweeper after a crash. */
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common'
import { CONTROL_QUEUE } from '../domain/shard.js'
import { cutBytes } from '../domain/text.js'
import type { ExecutePlanInput } from './messages.js'

/** The execution's row, as far as its workflow shows it. */
export interface StartedExecution {
  scopeId: string
  scopeName: string
  id: string
  name: string
  hosts: number
  launchedBy: string
  trigger: string
  /** Written into the row at the launch or the continuation; nothing else makes one. */
  workflowId: string
}

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)
const attributes = {
  scope: keyword('DroverScope'),
  plan: keyword('DroverPlan'),
  state: keyword('DroverState'),
  actor: keyword('DroverActor'),
  trigger: keyword('DroverTrigger'),
}

// Temporal's limits, in bytes: 255 for a keyword in the databases that it supports, 400 for a summary.
const KEYWORD_BYTES = 200
const SUMMARY_BYTES = 380

const keywordText = (text: string) => cutBytes(text, KEYWORD_BYTES)

/** Options for the client's `workflow.start(EXECUTE_PLAN, …)`. One that runs or has run under the id is never started again. */
export function startOptions(execution: StartedExecution) {
  const { scopeName, name, launchedBy, trigger } = execution
  const title = `${name} · ${execution.hosts} ${execution.hosts === 1 ? 'host' : 'hosts'} · by ${launchedBy}`
  const input: ExecutePlanInput = { scopeId: execution.scopeId, executionId: execution.id, title }
  return {
    workflowId: execution.workflowId,
    taskQueue: CONTROL_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
    staticSummary: cutBytes(title, SUMMARY_BYTES),
    staticDetails: `Run **r-${execution.id}** in scope \`${scopeName}\`, started by ${launchedBy} (${trigger}).\n\nSee it with \`drover runs show r-${execution.id}\`.`,
    typedSearchAttributes: new TypedSearchAttributes([
      { key: attributes.scope, value: keywordText(scopeName) },
      { key: attributes.plan, value: keywordText(name) },
      { key: attributes.state, value: 'running' },
      { key: attributes.actor, value: keywordText(launchedBy) },
      { key: attributes.trigger, value: trigger },
    ]),
  }
}
