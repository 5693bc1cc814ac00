/** Recording histories for the replay suite: DROVER_RECORD=1 with the e2e suite writes them anew. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { historyToJSON } from '@temporalio/common/lib/proto-utils'
import type { Platform } from '../../stack/platform/platform'

const FOLDER = path.join(__dirname, '../replay/histories')

/**
 * Writes the history of a run's workflow as `histories/<name>.json`; does nothing unless asked to record.
 * @param which a continuation of the execution; of a chain of histories one, the newest if left out
 */
export async function record(
  platform: Platform,
  executionId: string,
  name: string,
  which: { continuation?: number; runId?: string } = {},
): Promise<void> {
  if (!process.env['DROVER_RECORD']) return
  const connection = await Connection.connect({ address: platform.env['DROVER_TEMPORAL_ADDRESS'] ?? '' })
  const workflowId = `execution/default/${executionId}${which.continuation ? `.${which.continuation}` : ''}`
  const history = await new Client({ connection }).workflow.getHandle(workflowId, which.runId).fetchHistory()
  await connection.close()
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(
    path.join(FOLDER, `${name}.json`),
    `${JSON.stringify({ workflowId, history: JSON.parse(historyToJSON(history)) })}\n`,
  )
}
