/** What an operation does to the steps of a run that has ended, in the transaction that may take it up again. */
import {
  type ContinuingKind,
  editedStep,
  goesOn,
  planContinuation,
  type StepAction,
} from '../../domain/continuation.js'
import { summarize } from '../../domain/host-result.js'
import { type OperationArgs, retriedBy } from '../../domain/operation.js'
import { STEP_ENDED } from '../../domain/step-execution.js'
import { inPlay } from '../../domain/undo.js'
import { reopenHosts, resumeHosts, retryHosts } from '../../store/postgres/attempts.js'
import {
  type Execution,
  getStep,
  overrideStepState,
  type StepExecution,
} from '../../store/postgres/executions.js'
import { skipStep } from '../../store/postgres/operate.js'
import type { Db } from '../../store/postgres/pool.js'
import { skipNamedHosts } from '../../store/postgres/skipped-hosts.js'
import { ignoreFailures } from '../../store/postgres/step-ends.js'

interface Ended {
  execution: Execution
  steps: readonly StepExecution[]
  kind: ContinuingKind
  args: OperationArgs
}

/** @returns whether the run has more to do now; or why nothing was done */
export async function applyToEnded(tx: Db, ended: Ended): Promise<{ goesOn: boolean } | { refuse: string }> {
  const { execution, steps, kind, args } = ended
  if (kind === 'skip' && args.hosts !== undefined) return leaveOut(tx, ended, args.hosts)
  const plan = planContinuation(kind, args, steps)
  if ('refuse' in plan) return plan
  const key = { scopeId: execution.scopeId, executionId: execution.id }
  const edited = args.scriptSha256 === undefined ? undefined : editedStep(plan.actions, args)
  for (const { position, do: action } of plan.actions) {
    const step = steps[position]
    const scriptSha256 = position === edited ? args.scriptSha256 : undefined
    if (step) await appliers[action](tx, { key, step, kind, args: { ...args, scriptSha256 } })
  }
  return { goesOn: true }
}

interface Acting {
  key: { scopeId: Execution['scopeId']; executionId: Execution['id'] }
  step: StepExecution
  kind: ContinuingKind
  args: OperationArgs
}

const appliers: { [A in StepAction['do']]: (tx: Db, acting: Acting) => Promise<void> } = {
  skip: (tx, { key, step }) => skipStep(tx, key, step),
  async ignore(tx, { key, step, kind }) {
    const at = { ...key, stepExecutionId: step.id }
    // Said once, it holds for a retry of its hosts, too; a step that was left is not judged at all.
    if (kind === 'ignore') await ignoreFailures(tx, at)
    await overrideStepState(tx, at, 'ignored', kind === 'ignore' ? 'failure_ignored' : STEP_ENDED)
  },
  async retry(tx, { key, step, args }) {
    await retryHosts(tx, key, step, { states: retriedBy(args), scriptSha256: args.scriptSha256 })
    await overrideStepState(tx, { ...key, stepExecutionId: step.id }, 'pending')
  },
  async resume(tx, { key, step, args }) {
    await resumeHosts(tx, key, step, args.scriptSha256)
    await overrideStepState(tx, { ...key, stepExecutionId: step.id }, 'pending')
  },
  async ask(tx, { key, step }) {
    await reopenHosts(tx, key, step)
    await overrideStepState(tx, { ...key, stepExecutionId: step.id }, 'pending')
  },
}

/** Hosts are left out of a step that is over: it is well when nobody else is bad, and the run goes on if it stood there. */
async function leaveOut(
  tx: Db,
  { execution, steps, args }: Ended,
  hosts: readonly string[],
): Promise<{ goesOn: boolean } | { refuse: string }> {
  const step = steps[args.step ?? -1]
  if (!step) return { refuse: 'there is no such step' }
  const key = { scopeId: execution.scopeId, executionId: execution.id }
  const why = await skipNamedHosts(tx, key, step, hosts)
  if (why !== undefined) return { refuse: why }
  const at = { ...key, stepExecutionId: step.id }
  const counts = (await getStep(tx, at))?.counts ?? {}
  const { bad } = summarize(counts)
  // One that has not begun gets its verdict when its turn comes.
  if (bad || step.state === 'pending') return { goesOn: false }
  await overrideStepState(tx, at, 'succeeded')
  const states = inPlay(steps).map(({ state, position }) =>
    position === step.position ? 'succeeded' : state,
  )
  return { goesOn: execution.state !== 'succeeded' && goesOn(states) }
}
