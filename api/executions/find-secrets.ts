/** The versions of secrets that a plan's steps are to be given: frozen by the launch. */
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import type { Found, LaunchValues } from '../../domain/plan.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import type { ScriptUse } from '../../domain/script-library.js'
import { type FrozenSecret, whyNotGiven } from '../../domain/secret.js'
import {
  isOwnValue,
  parseKeptUse,
  secretUseOf,
  secretUses,
  settleSecrets,
} from '../../domain/secret-variable.js'
import { secretsOf } from '../../domain/step/step.js'
import type { Values, VariableInput } from '../../domain/variable.schema.js'
import { usesInVisit } from '../../domain/visit-secrets.js'
import type { Db } from '../../store/postgres/pool.js'
import { findSecretUse, holdSecrets } from '../../store/postgres/secrets.js'
import { secretUnknown, versionUnknown } from '../secrets/find-secret.js'

/** How a secret is named, and by what: for messages, it begins with a small letter. */
type Naming = readonly [use: string, by: string]

/** Those of the steps, as they say them, of the variables, and of the database accounts that they sign in with. */
export function namedSecrets(
  plan: PlanInput,
  { dbAccounts, nested, values }: Pick<Found, 'dbAccounts' | 'nested'> & { values: LaunchValues },
): Naming[] {
  const passwords = [...dbAccounts].flatMap(([name, { secret }]): Naming[] =>
    secret === null ? [] : [[secret, `database account ${name}`]],
  )
  const { launch, own } = values
  const settled = settleSecrets(plan.variables ?? [], [launch ?? {}, own ?? {}], false)
  const inPlans = [...nested].flatMap(([use, { steps }]) => namedBySteps(steps, nested, `plan ${use}: `))
  return [
    ...namedBySteps(plan.steps, nested, ''),
    ...[...settled].flatMap(([name, value]) => namedBy(secretUseOf(value), `variable ${name}`)),
    ...inPlans,
    ...passwords,
  ]
}

/** Those of own values, that a plan gives variables. */
export const namedByValues = (variables: readonly VariableInput[], values: Values): Naming[] =>
  secretUses(variables, values).map(({ use, variable }) => [use, `variable ${variable}`])

const namedBySteps = (steps: PlanInput['steps'], nested: Found['nested'], inside: string): Naming[] =>
  steps.flatMap((step) => {
    const where = `${inside}step "${step.name}"`
    return [
      ...secretsOf(step).flatMap((use) => namedBy(use, where)),
      ...usesInVisit(step, nested).flatMap(({ use, variable }) =>
        namedBy(use, `${where}: variable ${variable} of the plan that it brings`),
      ),
    ]
  })

const namedBy = (use: string | undefined, by: string): Naming[] => (use === undefined ? [] : [[use, by]])

/**
 * @param named with what names them, for messages: of several the first is told
 * @returns by what the steps say
 * @throws PlatformError secret_unknown, secret_version_unknown, secret_version_refused
 */
export async function findSecrets(
  db: Db,
  scopeId: ScopeId,
  named: readonly Naming[],
): Promise<ReadonlyMap<string, FrozenSecret>> {
  const found = new Map<string, FrozenSecret>()
  for (const [text, by] of named) {
    const use = found.has(text) ? undefined : parseKeptUse(text)
    if (use) found.set(text, await mustFreeze(db, scopeId, use, by))
  }
  return found
}

async function mustFreeze(
  db: Db,
  scopeId: ScopeId,
  { name, version }: ScriptUse,
  by: string,
): Promise<FrozenSecret> {
  const refused = (why: string) => new PlatformError('secret_version_refused', `${by}: ${why}`)
  const found = await findSecretUse(db, { scopeId, name }, version)
  if (!found && isOwnValue(name))
    throw refused(
      'the value that was given for it is not kept any more: give another, or name a secret of the store',
    )
  if (found === undefined) throw secretUnknown(name, by)
  if (found === null && version !== undefined) throw versionUnknown(name, version, by)
  if (found === null)
    throw refused(
      `no version of secret ${name} is enabled: give it a value with: drover secrets rotate ${name}`,
    )
  const why = whyNotGiven(found.state)
  if (why) throw refused(`version ${found.version} of secret ${name} ${why}`)
  return { secret: name, version: found.version, id: found.id }
}

/**
 * Makes sure, last in a transaction, that the same versions would be frozen still, and holds them until it ends.
 * @throws PlatformError as findSecrets
 */
export async function holdFrozen(
  tx: Db,
  scopeId: ScopeId,
  frozen: ReadonlyMap<string, FrozenSecret>,
): Promise<void> {
  if (!frozen.size) return
  await holdSecrets(tx, scopeId, [...new Set([...frozen.values()].map(({ secret }) => secret))])
  const named = [...frozen.keys()].map((text): Naming => [text, 'meanwhile'])
  const now = await findSecrets(tx, scopeId, named)
  for (const [text, { secret, id }] of frozen) {
    if (now.get(text)?.id === id) continue
    throw new PlatformError(
      'secret_version_refused',
      `secret ${secret} got another version while this was launched: launch it again`,
    )
  }
}
