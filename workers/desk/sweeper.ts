/** The sweeper: mends what a crash left half done. One worker at a time sweeps, elected by a lock in the database. */
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client'
import type { Logger } from '../../base/logger.js'
import { isFinalExecutionState } from '../../domain/execution.js'
import { ENGINE_AWAY } from '../../domain/operation.js'
import { lockExecution, setExecutionState } from '../../store/postgres/executions.js'
import { endStrandedHosts, requestCancel } from '../../store/postgres/operate.js'
import { decideOperation } from '../../store/postgres/operations.js'
import type { Pool } from '../../store/postgres/pool.js'
import {
  asSweeper,
  ensurePartitions,
  listForgottenOperations,
  listOpenExecutions,
  type OpenExecution,
  removeStale,
} from '../../store/postgres/sweeps.js'
import { transaction } from '../../store/postgres/transaction.js'
import { EXECUTE_PLAN } from '../../workflows/messages.js'
import { startOptions } from '../../workflows/start.js'

const SWEEP_EVERY_MS = 2_000
const TIDY_EVERY_MS = 600_000
const PAGE = 200

// A workflow is closed a moment before its last write is seen: only one that stays so was ended by somebody else.
const CLOSED_FOR_MS = 3_000

// The engine's words for a workflow that does nothing any more; every other one, new ones included, may still go on.
const CLOSED = ['COMPLETED', 'FAILED', 'CANCELLED', 'CANCELED', 'TERMINATED', 'TIMED_OUT', 'NOT_FOUND']

/** Whether a workflow of this status has ended; NOT_FOUND: the engine has none. */
export function isClosed(status: string): boolean {
  return CLOSED.includes(status)
}

export class Sweeper implements AsyncDisposable {
  private readonly timer: NodeJS.Timeout
  private sweeping: Promise<void> | undefined
  private tidiedAt = 0
  private readonly closedSince = new Map<string, number>()
  private readonly woken = new Set<string>()
  private readonly pool: Pool
  private readonly client: Client
  private readonly logger: Logger

  constructor(pool: Pool, client: Client, logger: Logger) {
    this.pool = pool
    this.client = client
    this.logger = logger
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep().finally(() => {
        this.sweeping = undefined
      })
    }, SWEEP_EVERY_MS)
  }

  private async sweep(): Promise<void> {
    try {
      await asSweeper(this.pool, async () => {
        if (Date.now() - this.tidiedAt > TIDY_EVERY_MS) {
          await ensurePartitions(this.pool)
          await removeStale(this.pool)
          this.tidiedAt = Date.now()
        }
        await this.refuseForgotten()
        await this.mendAll()
      })
    } catch (err) {
      this.logger.warn({ err }, 'a sweep was not finished; the next one begins anew')
    }
  }

  private async mendAll(): Promise<void> {
    const open = new Set<string>()
    for (let after = '0'; ; ) {
      const page = await listOpenExecutions(this.pool, { after, limit: PAGE })
      for (const execution of page) {
        open.add(execution.workflowId)
        await this.mend(execution).catch((err) =>
          this.logger.warn(
            { err, executionId: execution.id },
            'a run could not be looked after; trying again',
          ),
        )
      }
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      after = last.id
    }
    for (const known of [this.closedSince, this.woken])
      for (const workflowId of known.keys()) if (!open.has(workflowId)) known.delete(workflowId)
  }

  private async mend(execution: OpenExecution): Promise<void> {
    if (!execution.claimed && (await this.start(execution))) return
    const status = await this.statusOf(execution.workflowId)
    if (!isClosed(status)) {
      this.closedSince.delete(execution.workflowId)
      if (execution.cancelIsOld) await this.wake(execution)
      return
    }
    const since = this.closedSince.get(execution.workflowId) ?? Date.now()
    this.closedSince.set(execution.workflowId, since)
    if (Date.now() - since >= CLOSED_FOR_MS) await this.endTerminated(execution, status)
  }

  /** @returns false if a workflow of the id has run and ended already, without having claimed the execution */
  private async start(execution: OpenExecution): Promise<boolean> {
    try {
      await this.client.workflow.start(EXECUTE_PLAN, startOptions(execution))
      this.logger.info({ executionId: execution.id }, 'an execution that a crash had left was started')
      return true
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false
      throw error
    }
  }

  /** A cancel is a row first: the workflow that was not told of it, because Temporal or the API was away, is told here. */
  private async wake(execution: OpenExecution): Promise<void> {
    if (this.woken.has(execution.workflowId)) return
    await this.client.workflow.getHandle(execution.workflowId).cancel()
    this.woken.add(execution.workflowId)
  }

  /** An API that died between an operation's row and its workflow leaves it without an answer. */
  private async refuseForgotten(): Promise<void> {
    for (const { scopeId, executionId, id } of await listForgottenOperations(this.pool)) {
      await transaction(this.pool, async (tx) => {
        await lockExecution(tx, scopeId, executionId)
        await decideOperation(tx, scopeId, id, { state: 'refused', reason: ENGINE_AWAY })
      })
    }
  }

  /** The state of the newest run of a workflow; NOT_FOUND where the engine has none. */
  private async statusOf(workflowId: string): Promise<string> {
    try {
      return (await this.client.workflow.getHandle(workflowId).describe()).status.name
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'NOT_FOUND'
      throw error
    }
  }

  /** Somebody ended the workflow behind our back: what runs is stopped, and the execution does not stay `running`. */
  private async endTerminated(execution: OpenExecution, status: string): Promise<void> {
    this.closedSince.delete(execution.workflowId)
    const key = { scopeId: execution.scopeId, executionId: execution.id }
    await transaction(this.pool, async (tx) => {
      const now = await lockExecution(tx, key.scopeId, key.executionId)
      // It ended by itself, or an operator took it up again, since it was listed.
      if (!now || isFinalExecutionState(now.state) || now.workflowId !== execution.workflowId) return
      this.logger.warn({ executionId: execution.id, status }, 'a workflow ended without ending its execution')
      await requestCancel(tx, key)
      await endStrandedHosts(tx, key)
      await setExecutionState(tx, key, 'failed', 'engine_terminated')
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    await this.sweeping
  }
}
