/** The smallest run that an engine can carry: one workflow, one activity on another queue. */
import { proxyActivities } from '@temporalio/workflow'

export async function smallest(queue: string): Promise<void> {
  const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({
    taskQueue: queue,
    startToCloseTimeout: '1 min',
    retry: { maximumAttempts: 1 },
  })
  await nothing()
}
