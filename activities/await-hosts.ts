/**
 * Waits until a step's hosts need a decision: one that was missing came back or is given up, the next attempt of one is due, or
 * an operator has spoken.
 */
import { heartbeat, sleep } from '@temporalio/activity'
import type { ExecutionId, ScopeId, StepExecutionId } from '../domain/id.js'
import { placeHost } from '../domain/placement.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { findStepState, getExecution } from '../store/postgres/executions.js'
import { listRetryHosts } from '../store/postgres/retries.js'
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
      if (hosts.some((host) => placeHost(host, rules).do !== 'wait')) return
      const step = await findStepState(pool, key)
      if (!step || isFinalStepState(step.state)) return
      const retries = await listRetryHosts(pool, key, step.retryDelaysMs)
      if (retries.some((host) => host.dueInMs <= 0) || rules.cancelled || rules.expired) return
      // With a retry policy a host that still runs may fail: until the step has its verdict somebody watches.
      if (!hosts.length && !step.retryDelaysMs.length) return
      heartbeat({ missing: hosts.length, retrying: retries.length })
      await sleep(LOOK_EVERY_MS)
    }
  }
}
