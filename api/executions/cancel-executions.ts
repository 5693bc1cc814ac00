/** POST /executions/cancel: cancels all open runs that a filter means, once their number was said. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { inOrder } from '../../base/in-order.js'
import { PlatformError } from '../../domain/errors.js'
import { executionStates, isFinalExecutionState } from '../../domain/execution.js'
import type { ExecutionId } from '../../domain/id.js'
import { listOpen, lockExecution } from '../../store/postgres/executions.js'
import { insertOperation } from '../../store/postgres/operations.js'
import { idField } from '../fields.js'
import { operation, type ScopedCall } from '../operation.js'
import { applyOperation } from './apply-operation.js'
import { whyField } from './schema.js'
import { CANCEL_WITHIN_MS, tellWorkflow } from './tell-workflow.js'

/** Each is a few statements in one transaction, which holds the rows of all. */
const RUNS_MAX = 200
const TOLD_AT_ONCE = 8

const openStates = executionStates.filter((state) => !isFinalExecutionState(state))

export const cancelExecutions = operation({
  name: 'cancel-executions',
  method: 'post',
  path: '/executions/cancel',
  policy: 'execution.operate',
  summary: 'Cancel many executions',
  description:
    'Cancels every open execution that the filter means; a field that is left out takes all. `confirm` must be their number: asked without it, the answer `confirmation_required` tells it and nothing is done.',
  body: z.strictObject({
    states: z.array(z.enum(openStates)).min(1).optional(),
    name: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe("What the runs are called; a plan's are called `job/plan`."),
    launchedBy: z.string().min(1).max(200).optional().describe('Name of a principal.'),
    olderThanMs: z.int().min(0).max(31_536_000_000).optional().describe('Launched longer ago than this.'),
    confirm: z.int().min(1).optional().describe('How many executions the caller expects.'),
    why: whyField,
  }),
  response: z
    .object({ items: z.array(z.object({ executionId: idField, operationId: z.uuid() })) })
    .meta({ id: 'CancelledExecutions' }),
  errors: ['confirmation_required', 'nothing_to_cancel', 'too_many_to_cancel'],
  audit: ({ body }) => ({ resource: 'execution', detail: { kind: 'cancel', ...body } }),
  async write({ scope, caller, body }, tx) {
    const { confirm, why, ...filter } = body
    const ids = await listOpen(tx, scope.id, filter, RUNS_MAX + 1)
    checkNumber(ids.length, confirm)
    const items: { executionId: ExecutionId; operationId: string }[] = []
    for (const executionId of ids) {
      const operationId = randomUUID()
      await lockExecution(tx, scope.id, executionId)
      const row = { scopeId: scope.id, id: operationId, executionId, kind: 'cancel' as const, args: { why } }
      await insertOperation(tx, { ...row, principalId: caller.principalId })
      const applied = await applyOperation(tx, scope, {
        operationId,
        executionId,
        kind: 'cancel',
        args: { why },
      })
      // One that has ended since it was found has nothing to cancel.
      if (applied !== 'refused') items.push({ executionId, operationId })
    }
    return { items }
  },
  async finish(call, answer, replayed) {
    if (replayed) return answer
    // The rows have cancelled them; nobody waits until the last workflow has looked.
    void tellAll(call, answer.items)
    return answer
  },
})

type Item = { executionId: string; operationId: string }

/** Whom this does not reach, the workers' sweeper tells. */
async function tellAll(call: Pick<ScopedCall, 'services' | 'scope'>, items: readonly Item[]): Promise<void> {
  const tell = (item: Item) =>
    tellWorkflow(call, { ...item, kind: 'cancel', args: {} }, CANCEL_WITHIN_MS).catch((error: unknown) =>
      call.services.logger.warn({ ...item, error }, 'a workflow could not be told of its cancel'),
    )
  for await (const _ of inOrder(items, TOLD_AT_ONCE, tell)) continue
}

/** @throws PlatformError confirmation_required, nothing_to_cancel, too_many_to_cancel */
function checkNumber(runs: number, confirm: number | undefined): void {
  if (!runs)
    throw new PlatformError('nothing_to_cancel', 'no open run is meant; see: drover runs ls --state running')
  if (runs > RUNS_MAX) {
    throw new PlatformError(
      'too_many_to_cancel',
      `over ${RUNS_MAX} runs are meant, which is the most of one request; narrow it down`,
    )
  }
  if (runs === confirm) return
  throw new PlatformError(
    'confirmation_required',
    `this cancels ${runs} ${runs === 1 ? 'run' : 'runs'}; say so with --confirm ${runs}`,
    {
      details: { runs },
    },
  )
}
