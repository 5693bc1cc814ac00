/** Taking in the values of secret variables: each is sealed as a secret of its own before anything of it is written. */
import { randomUUID } from 'node:crypto'
import { PlatformError } from '../../domain/errors.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { FrozenSecret } from '../../domain/secret.js'
import {
  isGiven,
  isSecret,
  nothingKept,
  ownValueName,
  secretUseOf,
  secretValueFault,
  UNCHANGED,
} from '../../domain/secret-variable.js'
import type { Value, Values, VariableInput } from '../../domain/variable.schema.js'
import type { Db } from '../../store/postgres/pool.js'
import { findSecretUse, insertOwnValue } from '../../store/postgres/secrets.js'
import { addVersion } from './find-secret.js'

/** What a change of a job, of a plan or a launch may be refused with because of it. */
export const keepErrors = ['secret_too_large', 'unavailable'] as const

/** Whose values are kept, and for whom. */
export interface Keeper {
  scopeId: ScopeId
  by: PrincipalId
}

/** Seals a value. @throws PlatformError secret_too_large, unavailable */
export async function keepValue(tx: Db, { scopeId, by }: Keeper, value: string): Promise<FrozenSecret> {
  const key = { scopeId, name: ownValueName(randomUUID()) }
  await insertOwnValue(tx, key, by)
  const version = await addVersion(tx, key, value, by)
  const kept = await findSecretUse(tx, key, version)
  if (!kept) throw new Error('a value that was kept is not there')
  const { secret, id } = kept
  return { secret, version, id }
}

/**
 * Values with what is kept in the places of secrets; `******` stays what it was.
 * @param variables whose values they are
 * @throws PlatformError plan_invalid, secret_too_large, unavailable
 */
export async function keepValues(
  tx: Db,
  keeper: Keeper,
  variables: readonly VariableInput[],
  { values, before }: { values: Values; before: Values },
): Promise<Values> {
  const kept = { ...values }
  for (const { name } of variables.filter(isSecret)) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined)
      kept[name] = await keepOne(tx, keeper, {
        name,
        value,
        before: Object.hasOwn(before, name) ? before[name] : undefined,
      })
  }
  return kept
}

/** Definitions with what is kept in the places of secrets; `******` stays what it was. @throws PlatformError as keepValues */
export async function keepVariables(
  tx: Db,
  keeper: Keeper,
  variables: readonly VariableInput[],
  before: readonly VariableInput[],
): Promise<VariableInput[]> {
  const values = await keepValues(tx, keeper, variables, {
    values: valuesOf(variables),
    before: valuesOf(before.filter(isSecret)),
  })
  return variables.map((variable) =>
    Object.hasOwn(values, variable.name) ? { ...variable, value: values[variable.name] } : variable,
  )
}

const valuesOf = (variables: readonly VariableInput[]): Values =>
  Object.fromEntries(variables.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))

async function keepOne(
  tx: Db,
  keeper: Keeper,
  { name, value, before }: { name: string; value: Value; before: Value | undefined },
): Promise<Value> {
  const fault = secretValueFault(value)
  if (fault) throw new PlatformError('plan_invalid', `the value of ${name} ${fault}`)
  if (value === UNCHANGED) {
    if (before === undefined || secretUseOf(before) === undefined) throw nothingKept(name)
    return before
  }
  return isGiven(value) ? { secret: (await keepValue(tx, keeper, value)).secret } : value
}

/** Whether a request may bring the value of a secret: then what is kept of it for repeats is sealed. */
export const mayGiveValues = (values: Values | undefined): boolean =>
  Object.values(values ?? {}).some(isGiven)

/** The same of definitions. */
export const giveValues = (variables: readonly VariableInput[] | undefined): boolean =>
  (variables ?? []).some((variable) => isSecret(variable) && isGiven(variable.value))
