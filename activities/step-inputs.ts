/** What a step is given of the run's variables: frozen when its first orders are made. */
import type { HostId, StepExecutionId } from '../domain/id.js'
import type { CompiledPlan } from '../domain/plan.js'
import { type CompiledVariable, hasOneValue, itemsOf, type VariableType } from '../domain/variable.js'
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
  type: Exclude<VariableType, 'hostList'>
  changeable: boolean
}

type StepKey = Key & { stepExecutionId: StepExecutionId }

/**
 * The values that hold for a step, for all of its hosts. What may change is written down with the first look: a step keeps
 * what it began with, whatever a retry makes of the steps before it.
 */
export async function freezeInputs(tx: Db, key: StepKey, plan: CompiledPlan, place: Place): Promise<Input[]> {
  const variables = variablesIn(plan, place.within)
  const names = variables.filter(isShared).map(({ name }) => name)
  const frozen = new Map<string, Buffer[]>()
  if (names.length) {
    const known = await listInputs(tx, key)
    for (const { name, items } of known) frozen.set(name, items)
    // What the script imports may stand there already.
    const unknown = names.filter((name) => !frozen.has(name))
    if (unknown.length) {
      const inputs = await valuesAt(tx, key, plan, place)
      await insertInputs(
        tx,
        key,
        unknown.map((name) => ({ name, items: inputs.get(name) ?? [] })),
      )
      for (const name of unknown) frozen.set(name, inputs.get(name) ?? [])
    }
  }
  return variables.filter(isGiven).map((variable) => ({
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
  { hostIds, within, before }: Place & { hostIds: readonly HostId[] },
): Promise<Map<HostId, StoredValue[]>> {
  const variables = variablesIn(plan, within)
  const own = new Map<HostId, StoredValue[]>()
  const sources = sourcesFor(
    plan,
    variables.filter((variable) => variable.type === 'perHost'),
    before,
  )
  if (!sources.size) return own
  for (const { hostId, name, items } of await listNewestHostValues(db, key, sources, hostIds))
    own.set(hostId, [...(own.get(hostId) ?? []), { name, items }])
  return own
}

/** A host list is given to those scripts alone that import it (step-imports.ts). */
const isGiven = (variable: CompiledVariable): variable is CompiledVariable & { type: Input['type'] } =>
  variable.type !== 'hostList'

/** Whether all hosts have one value of it, which steps may change, or which one of a nested plan follows. */
const isShared = (variable: CompiledVariable) =>
  (variable.changeable || variable.within !== undefined) && hasOneValue(variable)

const bytesOf = (variable: CompiledVariable) => itemsOf(variable.value).map((item) => Buffer.from(item))
