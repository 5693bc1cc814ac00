/** An edited script gets what its step imports: it may leave some of it, and can ask for nothing else. */
import { PlatformError } from '../../domain/errors.js'
import { importedNames } from '../../domain/step/import.js'
import { importsOf } from '../../domain/step/step.js'
import type { Execution } from '../../store/postgres/executions.js'
import { findPlan } from '../../store/postgres/plans.js'
import type { Db } from '../../store/postgres/pool.js'

/**
 * @param edited.step position of the step that is meant; left out: any whose script there is
 * @throws PlatformError plan_invalid
 */
export async function checkEditedImports(
  tx: Db,
  { scopeId, planHash }: Execution,
  edited: { script: string; step: number | undefined },
): Promise<void> {
  const names = importedNames(edited.script)
  if (!names.length) return
  const steps = (await findPlan(tx, scopeId, planHash))?.steps ?? []
  const meant = steps.filter(
    ({ type }, position) => type === 'script' && (edited.step === undefined || position === edited.step),
  )
  for (const step of meant) {
    const known = importsOf(step).map(({ name }) => name)
    const missing = names.find((name) => !known.includes(name))
    if (missing === undefined) continue
    throw new PlatformError(
      'plan_invalid',
      `the script imports ${missing}, which the step "${step.name}" does not: an edited script gets what its step was launched with${edited.step === undefined ? '; say which step is meant' : ''}`,
    )
  }
}
