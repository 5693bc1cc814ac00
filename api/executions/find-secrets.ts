/** The versions of secrets that a plan's steps are to be given: frozen by the launch. */
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import type { Found, LaunchValues } from '../../domain/plan.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import type { ScriptUse } from '../../domain/script-library.js'
import { type FrozenSecret, whyNotGiven } from '../../domain/secret.js'
import { isOwnValue, parseKeptUse, secretUseOf, settleSecrets } from '../../domain/secret-variable.js'
import { secretsOf } from '../../domain/step/step.js'
import { usesInVisit } from '../../domain/visit-secrets.js'
import type { Db } from '../../store/postgres/pool.js'
import { findSecretUse, holdSecrets } from '../../store/postgres/secrets.js'
import { secretUnknown, versionUnknown } from '../secrets/find-secret.js'

/** Those of the steps, as they say them, of the variables, and of the database accounts that they sign in with. */
export function namedSecrets(
  plan: PlanInput,
  { dbAccounts, nested, values }: Pick<Found, 'dbAccounts' | 'nested'> & { values: LaunchValues },
): Set<string> {
  const passwords = [...dbAccounts.values()].flatMap(({ secret }) => secret ?? [])
  const { launch, own } = values
  const settled = settleSecrets(plan.variables ?? [], [launch ?? {}, own ?? {}], false)
  const variables = [...settled.values()].flatMap((value) => secretUseOf(value) ?? [])
  const ofVisits = plan.steps.flatMap((step) => usesInVisit(step, nested))
  return new Set([...plan.steps.flatMap(secretsOf), ...variables, ...ofVisits, ...passwords])
}

/**
 * @returns by what the steps say
 * @throws PlatformError secret_unknown, secret_version_unknown, secret_version_refused
 */
export async function findSecrets(
  db: Db,
  scopeId: ScopeId,
  named: Iterable<string>,
): Promise<ReadonlyMap<string, FrozenSecret>> {
  const found = new Map<string, FrozenSecret>()
  for (const text of named) {
    const use = parseKeptUse(text)
    if (use) found.set(text, await mustFreeze(db, scopeId, use))
  }
  return found
}

async function mustFreeze(db: Db, scopeId: ScopeId, { name, version }: ScriptUse): Promise<FrozenSecret> {
  const found = await findSecretUse(db, { scopeId, name }, version)
  if (!found && isOwnValue(name)) {
    throw new PlatformError(
      'secret_version_refused',
      `a value that was given for a secret variable is not kept any more: give it anew`,
    )
  }
  if (found === undefined) throw secretUnknown(name)
  if (found === null && version !== undefined) throw versionUnknown(name, version)
  if (found === null) {
    throw new PlatformError(
      'secret_version_refused',
      `no version of secret ${name} is enabled: give it a value with: drover secrets rotate ${name}`,
    )
  }
  const why = whyNotGiven(found.state)
  if (why) throw new PlatformError('secret_version_refused', `version ${found.version} of ${name} ${why}`)
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
  const now = await findSecrets(tx, scopeId, frozen.keys())
  for (const [text, { secret, id }] of frozen) {
    if (now.get(text)?.id === id) continue
    throw new PlatformError(
      'secret_version_refused',
      `secret ${secret} got another version while this was launched: launch it again`,
    )
  }
}
