/** Orders on their way to an agent: relayed as they were signed, with the script's text when it is small. */
import { dispatchId, INLINE_SCRIPT_BYTES, TaskSpec } from '../../proto/index.js'
import type { ScopeId } from '../../domain/id.js'
import { findScript } from '../../store/postgres/scripts.js'
import type { ExecutionFlags, ShardWork } from '../../store/postgres/shards.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { Session, SessionTask } from '../session/session.js'

interface ScriptText {
  /** Empty when it is fetched by the agent, or there is none. */
  content: Buffer
  /** Hex; empty when there is none. */
  sha256: string
}

// Texts of the shards that are being sent; a shard's hosts all have the same one.
const texts = new WeakMap<ShardWork, Promise<ScriptText>>()

/** The script's text of a shard, loaded once: asked for early, it comes while its hosts are being marked. */
export function textOf(deps: GatewayDependencies, work: ShardWork): Promise<ScriptText> {
  const known = texts.get(work)
  if (known) return known
  const text = loadText(deps, work)
  texts.set(work, text)
  text.catch(() => texts.delete(work))
  return text
}

/** Sends a host its order; false if its session has gone. */
export async function sendDispatch(
  deps: GatewayDependencies,
  session: Session,
  work: ShardWork,
  host: ShardWork['hosts'][number],
): Promise<boolean> {
  const { content, sha256 } = await textOf(deps, work)
  // An agent that knows the id answers with its state, and waits to be told where its output goes on.
  const fresh = host.state === 'pending'
  const task = registerTask(session, { ...work, attempt: host.attempt }, fresh ? { 1: 0, 2: 0 } : {})
  session.scripts.add(sha256)
  task.sentAt = performance.now()
  const { order, signature } = host
  const secrets = host.secrets ?? Buffer.alloc(0)
  return session.send({
    $case: 'dispatch',
    value: { order, signature, keyId: work.keyId, spec: work.spec, content, secrets },
  })
}

export interface TaskFacts {
  scopeId: ScopeId
  executionId: string
  stepExecutionId: string
  attempt: number
  outputDay: string
}

/** Makes a task known to its host's session, so that what the agent tells of it is taken in; one that is known stays as it is. */
export function registerTask(
  session: Session,
  facts: TaskFacts,
  expected: SessionTask['expected'],
): SessionTask {
  const { scopeId, executionId, stepExecutionId, attempt, outputDay } = facts
  const id = dispatchId(stepExecutionId, attempt, session.hostId)
  const dispatch = id.toString('hex')
  const known = session.tasks.get(dispatch)
  if (known) return known
  const task: SessionTask = {
    dispatch,
    dispatchId: id,
    scopeId,
    executionId,
    stepExecutionId,
    attempt,
    outputDay,
    expected,
    pieces: {},
  }
  session.tasks.set(dispatch, task)
  return task
}

async function loadText(deps: GatewayDependencies, work: ShardWork): Promise<ScriptText> {
  const { task } = TaskSpec.decode(work.spec)
  const script = task?.value
  if (!script) return { content: Buffer.alloc(0), sha256: '' }
  const sha256 = Buffer.from(script.scriptSha256)
  if (script.scriptBytes > INLINE_SCRIPT_BYTES)
    return { content: Buffer.alloc(0), sha256: sha256.toString('hex') }
  const { scopeId, executionId } = work
  const found = await findScript(deps.pool, { scopeId, executionIds: [executionId], sha256 })
  const content = found ?? Buffer.alloc(0)
  return { content, sha256: sha256.toString('hex') }
}

/** Only the journal that an order was made for may be told of it: another one would say "never started" of what that one may have started. */
export function mayTell(session: Session, journalId: string | null): boolean {
  return !session.quarantined && (journalId === null || journalId === session.journalId)
}

/** How a step is held: with its whole run, or because an operator has ended it while its run goes on. */
export interface Hold extends SignedStop {
  isHeld: boolean
}

export function holdOf(flags: ExecutionFlags, stepExecutionId: string): Hold {
  const { stopOrder, stopSignature, stopKeyId, expiresAt } = flags
  const isEnding = flags.endingStep === stepExecutionId
  const isHeld = flags.cancelled || flags.pause !== null || isEnding
  // A stop of the run that there is beside it was asked for later, and covers the step.
  if (!isEnding || stopOrder) return { isHeld, stopOrder, stopSignature, stopKeyId, expiresAt }
  const { stepStopOrder, stepStopSignature, stepStopKeyId } = flags
  return {
    isHeld,
    stopOrder: stepStopOrder,
    stopSignature: stepStopSignature,
    stopKeyId: stepStopKeyId,
    expiresAt,
  }
}

/** A signed stop, and until when an agent that does not know the task must refuse it. */
export type SignedStop = Pick<ExecutionFlags, 'stopOrder' | 'stopSignature' | 'stopKeyId' | 'expiresAt'>

/** Tells a host to stop a task, or never to start it; false if its session has gone or no stop is signed. */
export function sendCancel(session: Session, stop: SignedStop, task: TaskFacts): boolean {
  const { stopOrder, stopSignature, stopKeyId, expiresAt } = stop
  if (!stopOrder || !stopSignature || !stopKeyId) return false
  const { dispatchId: id } = registerTask(session, task, {})
  return session.send({
    $case: 'cancelTask',
    value: {
      dispatchId: id,
      order: stopOrder,
      signature: stopSignature,
      keyId: stopKeyId,
      expiresAtMs: BigInt(expiresAt.getTime()),
    },
  })
}
