/** The engine (Temporal) as the API sees it: workflows are started and told things; it may be away at any time. */
import {
  Connection,
  isGrpcServiceError,
  ServiceError,
  WorkflowUpdateFailedError,
  Client,
  WorkflowNotFoundError,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { delay } from '../base/backoff.js'
import {
  EXECUTE_PLAN,
  OPERATE,
  type OperateInput,
  type OperateResult,
  OPERATION_REFUSED,
} from '../workflows/messages.js'
import { type StartedExecution, startOptions } from '../workflows/start.js'

/** What became of an update: `gone` if no workflow runs under the id, `away` if nobody answered in time. */
export type UpdateAnswer =
  | (OperateResult & { state: 'accepted' | 'refused' | 'ended' })
  | { state: 'gone' }
  | { state: 'away'; why: string }

const RETRY_MS = 100
// The second is said of more than ten updates at once, and while a history is being continued as a new one.
const GRPC_TRY_AGAIN = [14, 8]

export class Engine {
  private readonly connection: Connection
  private readonly client: Client

  constructor(address: string, namespace: string) {
    this.connection = Connection.lazy({
      address,
      connectTimeout: 2_000,
      // A server that comes back must be met within a second, not after gRPC's two minutes.
      // The client's own retries outlive its deadlines and even its connection, where they end the process.
      interceptors: [],
      channelArgs: { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1_000 },
    })
    this.client = new Client({ connection: this.connection, namespace })
  }

  /** Starts the workflow unless it runs or has run. @throws if the engine does not answer within `deadlineMs` */
  async start(execution: StartedExecution, deadlineMs: number): Promise<void> {
    try {
      await this.within(deadlineMs, () => this.client.workflow.start(EXECUTE_PLAN, startOptions(execution)))
    } catch (error) {
      // It ran and ended already: started is started.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    }
  }

  /** Says an operation to a running execution and waits for its answer. */
  async operate(workflowId: string, input: OperateInput, deadlineMs: number): Promise<UpdateAnswer> {
    try {
      const until = Date.now() + deadlineMs
      for (;;) {
        const { state, reason } = await this.within(until - Date.now(), () =>
          this.client.workflow.getHandle(workflowId).executeUpdate<OperateResult, [OperateInput]>(OPERATE, {
            updateId: input.operationId,
            args: [input],
          }),
        )
        if (state !== 'moved') return { state, reason }
        if (Date.now() + RETRY_MS >= until) return { state: 'away', why: 'the history was being continued' }
        await delay(RETRY_MS)
      }
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { state: 'gone' }
      if (error instanceof WorkflowUpdateFailedError) return refusalOf(error)
      const { message, cause } = error as Error
      return { state: 'away', why: cause instanceof Error ? cause.message : message }
    }
  }

  private async within<T>(ms: number, work: () => Promise<T>): Promise<T> {
    const until = Date.now() + ms
    for (;;) {
      try {
        return await this.attempt(until, work)
      } catch (error) {
        // Everything that is said here may be said twice: a start by its id, an update by its own.
        if (!isAway(error) || Date.now() + RETRY_MS >= until) throw error
        await delay(RETRY_MS)
      }
    }
  }

  private async attempt<T>(until: number, work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    // The deadline of a call does not cover waiting for a connection.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('Temporal did not answer in time')), until - Date.now())
    })
    try {
      return await Promise.race([this.connection.withDeadline(until, work), late])
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    await this.connection.close()
  }
}

function isAway(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error
  return isGrpcServiceError(cause) && GRPC_TRY_AGAIN.includes(cause.code)
}

function refusalOf(error: WorkflowUpdateFailedError): UpdateAnswer {
  const cause = error.cause
  if (cause instanceof ApplicationFailure && cause.type === OPERATION_REFUSED)
    return { state: 'refused', reason: cause.message }
  // The workflow ended between being found and answering.
  if (cause instanceof ApplicationFailure && cause.type === 'AcceptedUpdateCompletedWorkflow')
    return { state: 'gone' }
  return { state: 'away', why: cause?.message ?? error.message }
}
