/** POST /executions/{executionId}/operations: what an operator does to a run; each accepted or refused with a reason. */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { PlatformError } from '../../domain/errors.js'
import type { ExecutionId } from '../../domain/id.js'
import { ENGINE_AWAY, type OperationArgs } from '../../domain/operation.js'
import { canDo } from '../../domain/role.js'
import { SCRIPT_MAX_BYTES } from '../../domain/script.js'
import { utf8Length } from '../../domain/text.js'
import { getExecution, lockExecution } from '../../store/postgres/executions.js'
import {
  decideOperation,
  getOperation,
  insertOperation,
  type Operation,
} from '../../store/postgres/operations.js'
import type { Db } from '../../store/postgres/pool.js'
import { insertScripts } from '../../store/postgres/scripts.js'
import { transaction } from '../../store/postgres/transaction.js'
import { operation, type ScopedCall } from '../operation.js'
import { type Applied, applyOperation, type Request } from './apply-operation.js'
import { checkEditedImports } from './edited-imports.js'
import { executionUnknown } from './find-execution.js'
import { sha256 } from './find-used.js'
import { type OperateBody, operateSchema } from './operate.schema.js'
import { executionParams, operationSchema, operationView } from './schema.js'
import { startContinuation } from './start-workflow.js'
import { CANCEL_WITHIN_MS, tellWorkflow } from './tell-workflow.js'

/** A person waits for this answer. */
const LIVE_WITHIN_MS = 2_000

export const operateExecution = operation({
  name: 'operate-execution',
  method: 'post',
  path: '/executions/{executionId}/operations',
  policy: 'execution.operate',
  summary: 'Pause, resume, cancel, retry, skip, ignore, go to the next step, or undo',
  description:
    'On a run that has ended, retry, resume, skip, ignore and next take it up again, and undo takes back what it did, newest step first; undo of a paused run cancels it first. A refusal is `operation_refused` with the reason; the operation stays listed.',
  params: executionParams,
  body: operateSchema,
  response: operationSchema,
  errors: ['execution_unknown', 'operation_refused', 'script_too_large', 'plan_invalid'],
  audit: ({ params, body }) => ({
    resource: `execution/${params.executionId}`,
    detail: { kind: body.kind, ...argsOf(body) },
  }),
  async write(call, tx) {
    const { scope, caller, params, body } = call
    const { kind } = body
    // Before the operation's row: whoever locks both does it in this order.
    const execution = await lockExecution(tx, scope.id, params.executionId as ExecutionId)
    if (!execution) throw executionUnknown(params.executionId)
    const id = body.operationId ?? operationIdOf(call)
    const args = argsOf(body)
    await keepScript(call, tx)
    if (body.script !== undefined)
      await checkEditedImports(tx, execution, { script: body.script, step: body.step })
    const row = { scopeId: scope.id, id, executionId: execution.id, kind, args }
    const known = await insertOperation(tx, { ...row, principalId: caller.principalId })
    if (known.executionId !== execution.id || known.kind !== kind || !isSame(known.args, args)) {
      throw new PlatformError('idempotency_conflict', `operation ${id} is another one; use a new operationId`)
    }
    if (known.state === 'requested')
      await applyOperation(tx, scope, { operationId: id, executionId: execution.id, kind, args })
    return operationView((await getOperation(tx, scope.id, id)) ?? known)
  },
  async finish(call, answer, replayed) {
    const { executionId } = call.params
    const { id: operationId, kind, args } = answer
    const request = { operationId, executionId, kind, args }
    // The stored answer is the first one: what was only requested then may have been decided since.
    const { state } = await mustFindOperation(call, operationId)
    if (state === 'requested') return operationView(answerFor(await askWorkflow(call, request), replayed))
    if (answer.state === 'accepted' && !replayed)
      await follow(call, request, (await isCancel(call, request)) ? 'cancelling' : 'continued')
    return operationView(answerFor(await mustFindOperation(call, operationId), replayed))
  },
})

/** What is kept and told of it: a script is named by its hash. */
function argsOf({ kind: _kind, operationId: _id, script, ...args }: OperateBody): OperationArgs {
  return { ...args, ...(script === undefined ? {} : { scriptSha256: sha256(script) }) }
}

const isSame = (known: OperationArgs, args: OperationArgs) =>
  isDeepStrictEqual(known, JSON.parse(JSON.stringify(args)))

/** @throws PlatformError permission_denied, script_too_large */
async function keepScript(
  { scope, caller, body: { script } }: Pick<ScopedCall, 'scope' | 'caller'> & { body: OperateBody },
  tx: Db,
): Promise<void> {
  if (script === undefined) return
  // Another script on hosts is what a launch is, whoever may only operate.
  if (!canDo(caller.roles.get(scope.id) ?? [], 'execution.launch'))
    throw new PlatformError(
      'permission_denied',
      'your role does not allow to launch scripts, nor to edit them',
    )
  const bytes = utf8Length(script)
  if (bytes > SCRIPT_MAX_BYTES) {
    throw new PlatformError(
      'script_too_large',
      `the script has ${bytes} bytes, at most ${SCRIPT_MAX_BYTES} are taken; put the bulk into a file and let the script read it`,
    )
  }
  await insertScripts(tx, scope.id, new Map([[sha256(script), script]]))
}

/** The same key of the same caller always means the same operation. */
function operationIdOf({ scope, caller, headers }: ScopedCall): string {
  const hash = createHash('sha256')
    .update(`${scope.id}/${caller.principalId}/${String(headers['idempotency-key'])}`)
    .digest()
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x80, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

async function mustFindOperation(call: ScopedCall, id: string): Promise<Operation> {
  const found = await getOperation(call.services.pool, call.scope.id, id)
  if (!found) throw new Error(`operation ${id} has no row`)
  return found
}

/** @throws PlatformError operation_refused, unavailable */
function answerFor(row: Operation, replayed: boolean): Operation {
  if (row.state !== 'refused') return row
  const details = { operationId: row.id, decided: true }
  if (row.reason !== ENGINE_AWAY) {
    throw new PlatformError(
      'operation_refused',
      `${row.kind} was refused: ${row.reason ?? 'no reason was given'}`,
      { details },
    )
  }
  const why = `Temporal did not answer, so the ${row.kind} was not done; ask again with a new Idempotency-Key, or cancel, which works without it`
  throw new PlatformError(replayed ? 'operation_refused' : 'unavailable', why, { details })
}

/** An undo of a run that was paused begins with one. */
async function isCancel(call: ScopedCall, { kind, executionId }: Request): Promise<boolean> {
  if (kind !== 'undo') return kind === 'cancel'
  const execution = await getExecution(call.services.pool, call.scope.id, executionId as ExecutionId)
  return execution?.cancelRequestedAt != null
}

/** What is done after the commit; a crash before it is mended by the workers' sweeper. */
async function follow(call: ScopedCall, request: Request, applied: Applied): Promise<void> {
  if (applied === 'continued') await startContinuation(call.services, call.scope, request.executionId)
  if (applied === 'cancelling') await tellWorkflow(call, request, CANCEL_WITHIN_MS)
}

/** Only the workflow can do it: it writes the rows and decides the operation, or its validator refuses. */
async function askWorkflow(call: ScopedCall, request: Request): Promise<Operation> {
  const { services, scope } = call
  const answer = await tellWorkflow(call, request, LIVE_WITHIN_MS)
  switch (answer.state) {
    case 'accepted':
      await decide(call, request, { state: 'accepted' })
      break
    case 'refused':
      await decide(call, request, { state: 'refused', reason: answer.reason ?? 'the run cannot take it now' })
      break
    case 'ended':
    case 'gone': {
      // It ended while it was being asked: what is right now is decided by its rows, once.
      const applied = await transaction(services.pool, (tx) => applyOperation(tx, scope, request))
      if (applied === 'live') await decide(call, request, { state: 'refused', reason: ENGINE_AWAY })
      await follow(call, request, applied)
      break
    }
    case 'away':
      services.logger.warn(
        { executionId: request.executionId, why: answer.why },
        'an operation did not reach the workflow',
      )
      await decide(call, request, { state: 'refused', reason: ENGINE_AWAY })
  }
  return mustFindOperation(call, request.operationId)
}

/** The first decision stands: the workflow has usually written its own. */
async function decide(
  call: ScopedCall,
  request: Request,
  decision: { state: 'accepted' | 'refused'; reason?: string },
): Promise<void> {
  await transaction(call.services.pool, async (tx) => {
    await lockExecution(tx, call.scope.id, request.executionId as ExecutionId)
    await decideOperation(tx, call.scope.id, request.operationId, decision)
  })
}
