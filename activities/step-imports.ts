/** What a step's script imports: names of hosts, frozen when its first orders are made. */
import { importFault } from '../domain/step/import.js'
import { type CompiledHostStep, importsOf } from '../domain/step/step.js'
import type { StepExecutionId } from '../domain/id.js'
import type { Db } from '../store/postgres/pool.js'
import { listTakenNames } from '../store/postgres/taken-hosts.js'
import { insertInputs, listInputs } from '../store/postgres/variables.js'
import { FillFault } from './fill-step.js'
import type { Key } from './owner.js'
import type { Input } from './step-inputs.js'

/**
 * Written down once, whatever earlier steps come to later; those of host lists stand there since the launch.
 * @throws FillFault where there are more names than a script can be given
 */
export async function freezeImports(
  tx: Db,
  key: Key & { stepExecutionId: StepExecutionId },
  step: CompiledHostStep,
): Promise<Input[]> {
  const imports = importsOf(step)
  if (!imports.length) return []
  const known = new Map((await listInputs(tx, key)).map(({ name, items }) => [name, items]))
  const inputs: Input[] = []
  for (const { name, take } of imports) {
    const items = known.get(name) ?? (take && [Buffer.from(await listTakenNames(tx, key, take))])
    if (!items)
      throw new Error(
        `step execution ${key.stepExecutionId} imports ${name}, which the launch has not written`,
      )
    const fault = importFault(name, items.join())
    if (fault) throw new FillFault(fault)
    if (!known.has(name)) await insertInputs(tx, key, [{ name, items }])
    inputs.push({ name, items, type: 'string', changeable: false })
  }
  return inputs
}
