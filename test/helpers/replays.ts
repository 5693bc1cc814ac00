/** Replaying what a platform has really executed: a history that the workflows of today refuse would break a running run. */
import path from 'node:path'
import type { Client } from '@temporalio/client'
import { Worker } from '@temporalio/worker'
import { checkout } from '../../stack/embedded/find'

export interface Replays {
  replayed: number
  /** Every history that does not replay, and what was wrong. */
  failures: { workflowId: string; what: string }[]
}

/** Replays the histories of all workflows that were started since then. */
export async function replaySince(client: Client, since: Date): Promise<Replays> {
  const histories = client.workflow
    .list({ query: `StartTime >= '${since.toISOString()}'` })
    .intoHistories({ concurrency: 4, bufferLimit: 8 })
  const result: Replays = { replayed: 0, failures: [] }
  const workflowBundle = { codePath: path.join(checkout(), 'dist/workflow-bundle.js') }
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    result.replayed++
    if (error) result.failures.push({ workflowId, what: error.message })
  }
  return result
}
