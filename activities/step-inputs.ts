/** What a step is given of the run's variables: frozen when its first orders are made. */
import type { HostId, StepExecutionId } from '../domain/id.js'
import type { CompiledPlan } from '../domain/plan.js'
import { type CompiledVariable, itemsOf } from '../domain/variable.js'
import { sourcesOf, variablesIn } from '../domain/variable-source.js'
import type { Db } from '../store/postgres/pool.js'
import {
  insertInputs,
  listInputs,
  listNewestHostValues,
  listNewestValues,
  type SourcesByName,
  type StoredValue,
} from '../store/postgres/variables.js'
import type { Key } from './owner.js'

/** A variable and the bytes that it holds for a step. */
export interface Input extends StoredValue {
  type: CompiledVariable['type']
  changeable: boolean
}

type StepKey = Key & { stepExecutionId: StepExecutionId }

/**
 * The values that hold for a step, for all of its hosts. What may change is written down with the first look: a step keeps
 * what it began with, whatever a retry makes of the steps before it.
 */
export async function freezeInputs(
  tx: Db,
  key: StepKey,
  plan: CompiledPlan,
  position: number,
): Promise<Input[]> {
  const within = plan.steps[position]?.within
  const variables = variablesIn(plan, within)
  const names = variables.filter(isShared).map(({ name }) => name)
  const frozen = new Map<string, Buffer[]>()
  if (names.length) {
    const known = await listInputs(tx, key)
    for (const { name, items } of known) frozen.set(name, items)
    if (!known.length) {
      const inputs = await valuesAt(tx, key, plan, { within, before: position })
      await insertInputs(
        tx,
        key,
        names.map((name) => ({ name, items: inputs.get(name) ?? [] })),
      )
      for (const name of names) frozen.set(name, inputs.get(name) ?? [])
    }
  }
  return variables.map((variable) => ({
    name: variable.name,
    type: variable.type,
    changeable: variable.changeable,
    items: frozen.get(variable.name) ?? bytesOf(variable),
  }))
}

/** A place in a run, with the visit of a nested plan whose names are known there. */
export interface Place {
  within: number | undefined
  before: number
}

/** What the variables that are known at a place hold when the steps before it have ended. */
export async function valuesAt(
  db: Db,
  key: Key,
  plan: CompiledPlan,
  { within, before }: Place,
): Promise<Map<string, Buffer[]>> {
  const variables = variablesIn(plan, within)
  const values = new Map<string, Buffer[]>(variables.map((variable) => [variable.name, bytesOf(variable)]))
  const sources = sourcesFor(plan, variables.filter(isShared), before)
  if (!sources.size) return values
  for (const { name, items } of await listNewestValues(db, key, sources)) values.set(name, items)
  return values
}

const sourcesFor = (
  plan: CompiledPlan,
  variables: readonly CompiledVariable[],
  before: number,
): SourcesByName => new Map(variables.map((variable) => [variable.name, sourcesOf(plan, variable, before)]))

/** What single hosts hold of their own, by host; only what they have set themselves. */
export async function hostInputs(
  db: Db,
  key: Key,
  plan: CompiledPlan,
  of: { hostIds: readonly HostId[]; position: number },
): Promise<Map<HostId, StoredValue[]>> {
  const variables = variablesIn(plan, plan.steps[of.position]?.within)
  const own = new Map<HostId, StoredValue[]>()
  const sources = sourcesFor(
    plan,
    variables.filter((variable) => variable.type === 'perHost'),
    of.position,
  )
  if (!sources.size) return own
  for (const { hostId, name, items } of await listNewestHostValues(db, key, sources, of.hostIds))
    own.set(hostId, [...(own.get(hostId) ?? []), { name, items }])
  return own
}

/** Whether all hosts have one value of it, which steps may change, or which one of a nested plan follows. */
const isShared = (variable: CompiledVariable) =>
  (variable.changeable || variable.within !== undefined) && variable.type !== 'perHost'

const bytesOf = (variable: CompiledVariable) => itemsOf(variable.value).map((item) => Buffer.from(item))
