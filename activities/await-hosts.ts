/** Waits until a step's missing hosts need a decision: one came back, one is given up, or an operator has spoken. */
import { heartbeat, sleep } from '@temporalio/activity'
import type { ExecutionId, ScopeId, StepExecutionId } from '../domain/id.js'
import { placeHost } from '../domain/placement.js'
import { getExecution } from '../store/postgres/executions.js'
import { listOpenHosts } from '../store/postgres/shards.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { isOwner } from './owner.js'

const LOOK_EVERY_MS = 500

export function createAwaitHosts({
  pool,
  lostAfterMs,
}: ControlDependencies): ControlActivities['awaitHosts'] {
  return async (input) => {
    const key = {
      scopeId: input.scopeId as ScopeId,
      executionId: input.executionId as ExecutionId,
      stepExecutionId: input.stepExecutionId as StepExecutionId,
    }
    const before = await getExecution(pool, key.scopeId, key.executionId)
    for (;;) {
      const execution = await getExecution(pool, key.scopeId, key.executionId)
      if (!execution || !isOwner(execution, input) || execution.pause !== before?.pause) return
      const rules = {
        cancelled: execution.cancelRequestedAt !== null,
        expired: execution.expiresAt.getTime() <= Date.now(),
        lostAfterMs,
      }
      const hosts = await listOpenHosts(pool, key)
      if (!hosts.length || hosts.some((host) => placeHost(host, rules).do !== 'wait')) return
      heartbeat({ missing: hosts.length })
      await sleep(LOOK_EVERY_MS)
    }
  }
}
