/** The sweeper: mends what a crash left half done. One worker at a time sweeps, elected by a lock in the database. */
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client'
import type { Logger } from '../../base/logger.js'
import { setExecutionState } from '../../store/postgres/executions.js'
import { endStrandedHosts, requestCancel } from '../../store/postgres/operate.js'
import type { Pool } from '../../store/postgres/pool.js'
import {
  asSweeper,
  ensurePartitions,
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

export class Sweeper implements AsyncDisposable {
  private readonly timer: NodeJS.Timeout
  private sweeping: Promise<void> | undefined
  private tidiedAt = 0
  private readonly closedSince = new Map<string, number>()
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
        for (let after = '0'; ; ) {
          const page = await listOpenExecutions(this.pool, { after, limit: PAGE })
          for (const execution of page) await this.mend(execution)
          const last = page.at(-1)
          if (!last || page.length < PAGE) return
          after = last.id
        }
      })
    } catch (err) {
      this.logger.warn({ err }, 'a sweep was not finished; the next one begins anew')
    }
  }

  private async mend(execution: OpenExecution): Promise<void> {
    if (!execution.claimed) return this.start(execution)
    const status = await this.statusOf(execution.workflowId)
    if (status === 'RUNNING' || status === 'CONTINUED_AS_NEW' || status === undefined) {
      this.closedSince.delete(execution.workflowId)
      return
    }
    const since = this.closedSince.get(execution.workflowId) ?? Date.now()
    this.closedSince.set(execution.workflowId, since)
    if (Date.now() - since >= CLOSED_FOR_MS) await this.endTerminated(execution, status)
  }

  private async start(execution: OpenExecution): Promise<void> {
    try {
      await this.client.workflow.start(EXECUTE_PLAN, startOptions(execution))
      this.logger.info({ executionId: execution.id }, 'an execution that a crash had left was started')
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    }
  }

  /** The state of the newest run of a workflow; NOT_FOUND where the engine has none. */
  private async statusOf(workflowId: string): Promise<string | undefined> {
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
    this.logger.warn({ executionId: execution.id, status }, 'a workflow ended without ending its execution')
    const key = { scopeId: execution.scopeId, executionId: execution.id }
    await transaction(this.pool, async (tx) => {
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
