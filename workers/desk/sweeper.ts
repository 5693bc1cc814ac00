/** The sweeper: mends what a crash left half done. One worker at a time sweeps, elected by a lock in the database. */
import { randomBytes } from 'node:crypto'
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client'
import type { Logger } from '../../base/logger.js'
import { Lookout } from '../../base/lookout.js'
import { isFinalExecutionState } from '../../domain/execution.js'
import { argsForEngine, ENGINE_AWAY } from '../../domain/operation.js'
import { getExecution, lockExecution, setExecutionState } from '../../store/postgres/executions.js'
import { holdExecution } from '../../store/postgres/held-runs.js'
import { endStrandedHosts, requestCancel } from '../../store/postgres/operate.js'
import { decideOperation, markTold } from '../../store/postgres/operations.js'
import type { Pool } from '../../store/postgres/pool.js'
import {
  asSweeper,
  ensurePartitions,
  listForgottenOperations,
  listOpenExecutions,
  listUntoldOperations,
  type OpenExecution,
  removeStale,
  type UntoldOperation,
} from '../../store/postgres/sweeps.js'
import { recoverLedger } from '../../store/postgres/recoveries.js'
import { beginKeptUndo } from '../../store/postgres/undone-runs.js'
import { transaction } from '../../store/postgres/transaction.js'
import { OWN_VALUE_KEPT_MS } from '../../domain/secret-variable.js'
import { removeUnheldValues } from '../../store/postgres/own-values.js'
import { removeOldBeats } from '../../store/postgres/ledger-beats.js'
import { EXECUTE_PLAN, OPERATE, type OperateInput, type OperateResult } from '../../workflows/messages.js'
import { startOptions } from '../../workflows/start.js'
import { endForgottenWorkflows } from './forgotten-workflows.js'
import { tidy } from './tidy.js'
import { type FoundWorkflow, isClosed, whyClosed } from './why-closed.js'

const SWEEP_EVERY_MS = 2_000
const TIDY_EVERY_MS = 600_000
const PAGE = 200
const TELL_WITHIN_MS = 2_000

// A workflow is closed a moment before its last write is seen: only one that stays so was ended by somebody else.
const CLOSED_FOR_MS = 3_000

export class Sweeper implements AsyncDisposable {
  private readonly lookout: Lookout
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
    this.lookout = new Lookout({
      everyMs: SWEEP_EVERY_MS,
      look: () => this.sweep(),
      onError: (err) => logger.warn({ err }, 'a sweep was not finished; the next one begins anew'),
    })
  }

  private async sweep(): Promise<void> {
    await asSweeper(this.pool, async () => {
      if (Date.now() - this.tidiedAt > TIDY_EVERY_MS) {
        // First: what fails is left until the next time, and not begun anew by every sweep.
        this.tidiedAt = Date.now()
        await tidy(
          {
            partitions: () => ensurePartitions(this.pool),
            stale: () => removeStale(this.pool),
            beats: () => removeOldBeats(this.pool),
            values: () => removeUnheldValues(this.pool, OWN_VALUE_KEPT_MS),
          },
          this.logger,
        )
      }
      await endForgottenWorkflows(this.pool, this.client, this.logger)
      await this.refuseForgotten()
      await this.mendAll()
      await this.tellUntold()
    })
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
    const found = await this.find(execution.workflowId)
    if (!isClosed(found.status)) {
      this.closedSince.delete(execution.workflowId)
      if (execution.cancelIsOld) await this.wake(execution)
      return
    }
    const since = this.closedSince.get(execution.workflowId) ?? Date.now()
    this.closedSince.set(execution.workflowId, since)
    if (Date.now() - since < CLOSED_FOR_MS) return
    this.closedSince.delete(execution.workflowId)
    switch (whyClosed(execution, found)) {
      case 'ledger put back':
        return this.recover(execution, found)
      case 'engine forgot':
        return this.hold(execution)
      case 'ended by somebody':
        return this.endTerminated(execution, found.status)
    }
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

  /**
   * A workflow applies an operation to the rows, and may lose it with its task when it and the engine die: a run that was
   * resumed would wait for ever. It is told again until it knows; the rows give the same answer.
   */
  private async tellUntold(): Promise<void> {
    const untold = await listUntoldOperations(this.pool)
    // Together: one that does not answer holds up nobody else.
    await Promise.all(
      untold.map(async (operation) => {
        if (isFinalExecutionState(operation.executionState) || (await this.tell(operation)))
          await markTold(this.pool, operation.scopeId, operation.id)
      }),
    )
  }

  /** @returns whether the workflow has it in its history, refuses it as nothing new, or is gone */
  private async tell({ id, kind, args, workflowId }: UntoldOperation): Promise<boolean> {
    const handle = this.client.workflow.getHandle(workflowId)
    const input: OperateInput = { operationId: id, kind, args: argsForEngine(args) }
    try {
      await this.client.withDeadline(Date.now() + TELL_WITHIN_MS, () =>
        handle.startUpdate<OperateResult, [OperateInput]>(OPERATE, {
          updateId: id,
          args: [input],
          waitForStage: 'ACCEPTED',
        }),
      )
      this.logger.info({ workflowId, operationId: id, kind }, 'a workflow was told again of an operation')
      return true
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) return true
      this.logger.debug({ err: error, workflowId, operationId: id }, 'a workflow could not be told')
      return false
    }
  }

  /** The newest run of a workflow; NOT_FOUND where the engine has none. */
  private async find(workflowId: string): Promise<FoundWorkflow> {
    try {
      const handle = this.client.workflow.getHandle(workflowId)
      const { status, closeTime } = await handle.describe()
      if (!isClosed(status.name)) return { status: status.name }
      const { history } = await this.client.workflowService.getWorkflowExecutionHistory({
        namespace: this.client.options.namespace,
        execution: { workflowId },
        maximumPageSize: 1,
      })
      const [first] = history?.events ?? []
      const firstRunId = first?.workflowExecutionStartedEventAttributes?.firstExecutionRunId ?? undefined
      return { status: status.name, firstRunId, closedAt: closeTime }
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { status: 'NOT_FOUND' }
      throw error
    }
  }

  /** Its workflow came to its end, which is after the ledger had the run's: this ledger is older than that. */
  private async recover(execution: OpenExecution, { closedAt }: FoundWorkflow): Promise<void> {
    const { id, workflowId } = execution
    const recovery = await transaction(this.pool, async (tx) => {
      // It ended by itself, or an operator took it up again, since it was listed: that shows nothing.
      const now = await getExecution(tx, execution.scopeId, id)
      if (!now || isFinalExecutionState(now.state) || now.workflowId !== workflowId) return 'nothing to do'
      const detail = { executionId: id, workflowId, closedAt }
      return recoverLedger(tx, { cause: 'engine', detail, since: closedAt ?? new Date() })
    })
    if (recovery === 'nothing to do') return
    if (!recovery) return this.hold(execution)
    const { tag, held } = recovery
    this.logger.error(
      { executionId: id, workflowId, tag, held },
      'a finished workflow shows that the database was put back; open runs are held until they are resumed',
    )
  }

  /** The engine has lost its workflow: what became of its hosts is for them to say, and whether it goes on for a person. */
  private async hold(execution: OpenExecution): Promise<void> {
    const key = { scopeId: execution.scopeId, executionId: execution.id }
    await transaction(this.pool, async (tx) => {
      const now = await lockExecution(tx, key.scopeId, key.executionId)
      if (!now || isFinalExecutionState(now.state) || now.workflowId !== execution.workflowId) return
      this.logger.warn(
        { executionId: execution.id, workflowId: execution.workflowId },
        'Temporal does not know the workflow of a run; it is held until it is resumed',
      )
      await holdExecution(tx, key, execution.scopeName, randomBytes(4).toString('hex'))
    })
  }

  /** Somebody ended the workflow behind our back: what runs is stopped, and the execution does not stay `running`. */
  private async endTerminated(execution: OpenExecution, status: string): Promise<void> {
    const key = { scopeId: execution.scopeId, executionId: execution.id }
    await transaction(this.pool, async (tx) => {
      const now = await lockExecution(tx, key.scopeId, key.executionId)
      // It ended by itself, or an operator took it up again, since it was listed.
      if (!now || isFinalExecutionState(now.state) || now.workflowId !== execution.workflowId) return
      this.logger.warn({ executionId: execution.id, status }, 'a workflow ended without ending its execution')
      await requestCancel(tx, key)
      await endStrandedHosts(tx, key)
      if ((await beginKeptUndo(tx, key)).goesOn) return
      await setExecutionState(tx, key, 'failed', 'engine_terminated')
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lookout.stop()
  }
}
