/** What a step asks of its hosts in this run: its fields with the values of variables in their places. */
import type { CompiledPlan } from '../domain/plan.js'
import { type CompiledHostStep, seesBefore } from '../domain/step/step.js'
import type { StepExecutionId } from '../domain/id.js'
import { appendEvents } from '../store/postgres/events.js'
import { endHosts } from '../store/postgres/ledger.js'
import type { Db } from '../store/postgres/pool.js'
import type { OpenHost } from '../store/postgres/shards.js'
import { FillFault, type FilledStep, fillStep } from './fill-step.js'
import type { Key } from './owner.js'
import { freezeImports } from './step-imports.js'
import { freezeInputs, type Input } from './step-inputs.js'

export interface Task {
  step: FilledStep
  inputs: readonly Input[]
  plan: CompiledPlan
  /** The step's place in the plan. */
  position: number
  /** It sees what steps before this position have made of variables. */
  sees: number
}

interface Preparing {
  key: Key & { stepExecutionId: StepExecutionId }
  plan: CompiledPlan
  position: number
  /** Hosts that are to be asked. */
  hosts: readonly OpenHost[]
}

/** Undefined where a value does not fit: then the hosts have their end. */
export async function prepareTask(
  tx: Db,
  step: CompiledHostStep,
  { key, plan, position, hosts }: Preparing,
): Promise<Task | undefined> {
  const sees = seesBefore(step, position)
  const frozen = await freezeInputs(tx, key, plan, { within: step.within, before: sees })
  // What takes a step back sets nothing, so nothing of it is captured either.
  const variables =
    step.undoes === undefined ? frozen : frozen.map((input) => ({ ...input, changeable: false }))
  try {
    const imports = await freezeImports(tx, key, step)
    return { step: fillStep(step, variables), inputs: [...variables, ...imports], plan, position, sees }
  } catch (error) {
    if (!(error instanceof FillFault)) throw error
    await endUnfit(tx, { key, position, hosts }, error)
    return undefined
  }
}

async function endUnfit(
  tx: Db,
  { key, position, hosts }: Omit<Preparing, 'plan'>,
  fault: FillFault,
): Promise<void> {
  const ends = hosts.map(({ hostId, attempt }) => ({
    hostId,
    attempt,
    state: 'rejected' as const,
    started: 'no' as const,
    reason: 'variable_invalid',
  }))
  await endHosts(tx, key, ends)
  const text = `step ${position + 1} cannot be run: ${fault.message}`
  await appendEvents(tx, key.scopeId, key.executionId, [{ type: 'note', body: { position, text } }])
}
