/** After a recovery: workflows that carry runs which the ledger knows no more, or has taken from them, are ended and listed. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client'
import type { Logger } from '../../base/logger.js'
import type { Pool } from '../../store/postgres/pool.js'
import { listUnsweptRecoveries, writeSwept } from '../../store/postgres/recoveries.js'
import { listWorkflowIds } from '../../store/postgres/sweeps.js'
import { EXECUTE_PLAN } from '../../workflows/messages.js'

/** Most of them would end by themselves at their next word to the ledger; one that waits for a person's word never would. */
export async function endForgottenWorkflows(pool: Pool, client: Client, logger: Logger): Promise<void> {
  const recoveries = await listUnsweptRecoveries(pool)
  const newest = recoveries.at(-1)
  if (!newest) return
  const ended: string[] = []
  const query = `WorkflowType = '${EXECUTE_PLAN}' AND ExecutionStatus = 'Running'`
  for await (const { workflowId, runId, startTime } of client.workflow.list({ query })) {
    // One that was started since belongs to a run that the ledger knows: its row was written first.
    if (startTime > newest.at) continue
    if ((await listWorkflowIds(pool, [workflowId])).length) continue
    await end(client, workflowId, runId)
    ended.push(workflowId)
    logger.warn({ workflowId, tag: newest.tag }, 'a workflow whose run the ledger knows no more was ended')
  }
  for (const { id } of recoveries) await writeSwept(pool, id, id === newest.id ? ended : [])
}

async function end(client: Client, workflowId: string, runId: string): Promise<void> {
  try {
    await client.workflow
      .getHandle(workflowId, runId)
      .terminate('the database was put back to an older state: docs/operations/restore.md')
  } catch (error) {
    // It ended by itself meanwhile.
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}
