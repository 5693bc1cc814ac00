/** What the Temporal server itself can carry here: the smallest runs that it could be asked for, by as many clients. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { checkout } from '../../../stack/embedded/find'
import type { Platform } from '../../../stack/platform/platform'

/** Runs a second, of so many clients one after another for so long; our own parts idle beside it. */
export async function measureCeiling(
  platform: Platform,
  { clients, seconds }: { clients: number; seconds: number },
): Promise<number> {
  const address = platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
  const workflow = path.join(checkout(), 'test/bench/ceiling/workflow.ts')
  const program = path.join(checkout(), 'dist/ceiling.cjs')
  const worker = spawn(process.execPath, [program, address, workflow], { stdio: ['pipe', 'pipe', 'inherit'] })
  const connection = await Connection.connect({ address })
  try {
    await once(worker.stdout, 'data')
    const client = new Client({ connection })
    const until = performance.now() + seconds * 1_000
    let done = 0
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() < until) {
          await client.workflow.execute('smallest', {
            taskQueue: 'ceiling',
            workflowId: `ceiling/${randomUUID()}`,
            args: ['ceiling.nothing'],
          })
          if (performance.now() <= until) done++
        }
      }),
    )
    return done / seconds
  } finally {
    const gone = once(worker, 'exit')
    worker.stdin.end()
    await gone
    await connection.close()
  }
}
