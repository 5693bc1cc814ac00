/** Which secrets a request names, for the audit of it. */
import { parseSecretUse } from './secret.js'
import { usesInValues, usesInVariables } from './secret-variable.js'
import type { StepInput } from './plan.schema.js'
import { secretsOf } from './step/step.js'
import type { Values, VariableInput } from './variable.schema.js'
import { usesGiven } from './visit-secrets.js'

/** What of a request may name secrets. */
interface Naming {
  steps?: readonly StepInput[] | undefined
  variables?: readonly VariableInput[] | undefined
  /** Of variables that are defined elsewhere: what looks like the name of a secret counts as one. */
  values?: Values | undefined
}

/** As the request says them, each once: `db-password@3`. */
export function auditedSecrets({ steps = [], variables = [], values = {} }: Naming): string[] {
  const ofSteps = steps.flatMap((step) => [...secretsOf(step), ...usesGiven(step)])
  const uses = [...ofSteps, ...usesInVariables(variables), ...usesInValues(values)]
  return [...new Set(uses.filter((use) => parseSecretUse(use)))]
}
