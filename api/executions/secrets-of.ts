/** What `******` stands for in a plan that comes from an earlier run: the versions that the run was given. */
import type { ScopeId } from '../../domain/id.js'
import { isOwnValue, isSecret, UNCHANGED } from '../../domain/secret-variable.js'
import type { VariableInput } from '../../domain/variable.schema.js'
import type { Db } from '../../store/postgres/pool.js'
import { findPlan } from '../../store/postgres/plans.js'
import { mustFindExecution } from './find-execution.js'

/** @param runId undefined: they are what they say. @throws PlatformError execution_unknown */
export async function withSecretsOf(
  db: Db,
  scopeId: ScopeId,
  variables: readonly VariableInput[],
  runId: string | undefined,
): Promise<VariableInput[]> {
  if (runId === undefined) return [...variables]
  const { planHash } = await mustFindExecution(db, scopeId, runId)
  const had = (await findPlan(db, scopeId, planHash))?.secrets ?? {}
  return variables.map((variable) => {
    const frozen = Object.hasOwn(had, variable.name) ? had[variable.name] : undefined
    if (!isSecret(variable) || variable.value !== UNCHANGED || !frozen) return variable
    const { secret, version } = frozen
    return { ...variable, value: { secret: isOwnValue(secret) ? secret : `${secret}@${version}` } }
  })
}
