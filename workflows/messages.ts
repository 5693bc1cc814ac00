/** What is said to a running execution: the updates of its workflow, and the workflow's input. */
import type { OperationArgs, OperationKind } from '../domain/operation.js'

/** The workflow's type: the name that the Temporal UI shows. */
export const EXECUTE_PLAN = 'executePlan'

export interface ExecutePlanInput {
  scopeId: string
  executionId: string
  /** What the run is called and where its page is; for the Temporal UI only. */
  title: string
}

/** Name of the one update: the operation's row is written first, its id is the update's id. */
export const OPERATE = 'operate'

export interface OperateInput {
  operationId: string
  kind: OperationKind
  args: OperationArgs
}

export interface OperateResult {
  /**
   * `ended`: nothing was decided, for the execution ended meanwhile; it can only be continued. `moved`: nothing was
   * decided, for the workflow's history was just being continued as a new one: ask again.
   */
  state: 'accepted' | 'refused' | 'ended' | 'moved'
  reason?: string | undefined
}

/** Type of the failure by which a validator refuses an operation. */
export const OPERATION_REFUSED = 'operation_refused'
