/** What a step is given of the run's variables: frozen when its first orders are made. */
import type { HostId, StepExecutionId } from '../domain/id.js'
import type { CompiledPlan } from '../domain/plan.js'
import { type CompiledVariable, itemsOf, type VariableType } from '../domain/variable.js'
import type { Db } from '../store/postgres/pool.js'
import {
  insertInputs,
  listHostValuesBefore,
  listInputs,
  listValuesBefore,
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
export async function freezeInputs(
  tx: Db,
  key: StepKey,
  plan: CompiledPlan,
  position: number,
): Promise<Input[]> {
  const variables = plan.variables ?? []
  const names = variables.filter(isShared).map(({ name }) => name)
  const frozen = new Map<string, Buffer[]>()
  if (names.length) {
    const known = await listInputs(tx, key)
    for (const { name, items } of known) frozen.set(name, items)
    // What the script imports may stand there already.
    const unknown = names.filter((name) => !frozen.has(name))
    if (unknown.length) {
      const inputs = await valuesBefore(tx, key, plan, position)
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

/** What the variables hold when the steps before a position have ended. */
export async function valuesBefore(
  db: Db,
  key: Key,
  plan: CompiledPlan,
  position: number,
): Promise<Map<string, Buffer[]>> {
  const variables = plan.variables ?? []
  const values = new Map<string, Buffer[]>(variables.map((variable) => [variable.name, bytesOf(variable)]))
  const names = variables.filter(isShared).map(({ name }) => name)
  if (!names.length) return values
  for (const { name, items } of await listValuesBefore(db, key, names, position)) values.set(name, items)
  return values
}

/** What single hosts hold of their own, by host; only what they have set themselves. */
export async function hostInputs(
  db: Db,
  key: Key,
  inputs: readonly Input[],
  of: { hostIds: readonly HostId[]; position: number },
): Promise<Map<HostId, StoredValue[]>> {
  const names = inputs.filter((input) => input.type === 'perHost').map(({ name }) => name)
  const own = new Map<HostId, StoredValue[]>()
  if (!names.length) return own
  for (const { hostId, name, items } of await listHostValuesBefore(db, key, { ...of, names }))
    own.set(hostId, [...(own.get(hostId) ?? []), { name, items }])
  return own
}

/** A host list is given to those scripts alone that import it (step-imports.ts). */
const isGiven = (variable: CompiledVariable): variable is CompiledVariable & { type: Input['type'] } =>
  variable.type !== 'hostList'

/** Whether what scripts make of it holds for all hosts of the steps after them. */
const isShared = (variable: CompiledVariable) => variable.changeable && variable.type !== 'perHost'

const bytesOf = (variable: CompiledVariable) => itemsOf(variable.value).map((item) => Buffer.from(item))
