/** The scripts of the library, the database accounts and the secrets that a plan's steps name, as they are at the launch. */
import { createHash } from 'node:crypto'
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import type { Found, LaunchValues } from '../../domain/plan.js'
import type { UsedScript } from '../../domain/step/script-step.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import { IMPORT_WORD } from '../../domain/step/import.js'
import { usesOf } from '../../domain/step/step.js'
import { parseUse, publicName, type ScriptUse, whyNotRun } from '../../domain/script-library.js'
import type { Db } from '../../store/postgres/pool.js'
import { publicScopeId } from '../../store/postgres/scopes.js'
import { findUse, holdScripts, keyOfUsed } from '../../store/postgres/script-uses.js'
import { readScriptsWith } from '../../store/postgres/scripts.js'
import { findNamedDbAccounts } from '../db-accounts/find-db-account.js'
import { findNested, withNested } from './find-nested.js'
import { findSecrets, holdFrozen, namedSecrets } from './find-secrets.js'

/** Hex. */
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** What finding and compiling steps may be refused with. */
export const stepErrors = [
  'script_unknown',
  'script_version_unknown',
  'script_version_refused',
  'script_too_large',
  'plan_invalid',
  'db_account_unknown',
  'plan_too_large',
  'plan_unknown',
  'plan_revision_unknown',
  'plan_circular',
  'plan_too_deep',
  'variable_unknown',
  'secret_unknown',
  'secret_version_unknown',
  'secret_version_refused',
] as const

/** @throws PlatformError as findNested, findUsed, findNamedDbAccounts and findSecrets */
export async function findNamed(
  db: Db,
  scopeId: ScopeId,
  plan: PlanInput,
  values: LaunchValues = {},
): Promise<Found> {
  const nested = await findNested(db, scopeId, plan)
  const whole = withNested(plan, nested)
  const used = await findUsed(db, scopeId, whole)
  const dbAccounts = await findNamedDbAccounts(db, scopeId, whole)
  const secrets = await findSecrets(db, scopeId, namedSecrets(plan, { dbAccounts, nested, values }))
  return { nested, used, dbAccounts, secrets, importing: await findImporting(db, scopeId, used) }
}

/** The texts that import something; of public scripts they stand in another scope. */
async function findImporting(
  db: Db,
  scopeId: ScopeId,
  used: Found['used'],
): Promise<ReadonlyMap<string, string>> {
  const isShared = ({ script }: UsedScript) => publicName(script) !== undefined
  const all = [...used.values()]
  const hashes = (of: UsedScript[]) => of.map((script) => script.sha256)
  const [own, shared] = [all.filter((one) => !isShared(one)), all.filter(isShared)]
  const found = await readScriptsWith(db, scopeId, hashes(own), IMPORT_WORD)
  if (!shared.length) return found
  const others = await readScriptsWith(db, await publicScopeId(db), hashes(shared), IMPORT_WORD)
  return new Map([...found, ...others])
}

/**
 * Makes sure at the end of a launch that what it names is still what it was, and stays so until the launch is written.
 * @throws PlatformError as findNamed
 */
export async function holdNamed(tx: Db, scopeId: ScopeId, plan: PlanInput, found: Found): Promise<void> {
  await holdUsed(tx, scopeId, withNested(plan, found.nested), found.used)
  await holdFrozen(tx, scopeId, found.secrets)
}

/**
 * @returns by what the steps say
 * @throws PlatformError script_unknown, script_version_unknown, script_version_refused
 */
async function findUsed(db: Db, scopeId: ScopeId, plan: PlanInput): Promise<ReadonlyMap<string, UsedScript>> {
  const uses = new Set(plan.steps.flatMap(usesOf))
  const found = new Map<string, UsedScript>()
  for (const text of uses) {
    const use = parseUse(text)
    if (use) found.set(text, await mustUse(db, scopeId, use))
  }
  return found
}

/** @throws PlatformError script_unknown, script_version_unknown, script_version_refused */
export async function mustUse(db: Db, scopeId: ScopeId, { name, version }: ScriptUse): Promise<UsedScript> {
  const found = await findUse(db, await keyOfUsed(db, scopeId, name), version)
  if (found === undefined) throw scriptUnknown(name)
  if (found === null && version !== undefined) {
    throw new PlatformError(
      'script_version_unknown',
      `script ${name} has no version ${version}; see: drover scripts show ${name}`,
    )
  }
  if (found === null) {
    throw new PlatformError(
      'script_version_refused',
      `no version of script ${name} is online: publish one, or name one that was`,
    )
  }
  const why = whyNotRun(found.state)
  if (why) throw new PlatformError('script_version_refused', `version ${found.version} of ${name} ${why}`)
  const { language, sha256, bytes } = found
  return { script: name, version: found.version, language, sha256, bytes }
}

/** @param used `deploy`, `public/deploy` */
export function scriptUnknown(used: string): PlatformError {
  const where = publicName(used) === undefined ? '' : ' --public'
  return new PlatformError('script_unknown', `there is no script ${used}; see: drover scripts ls${where}`)
}

/** @throws PlatformError as findUsed */
async function holdUsed(
  tx: Db,
  scopeId: ScopeId,
  plan: PlanInput,
  used: ReadonlyMap<string, UsedScript>,
): Promise<void> {
  if (!used.size) return
  await holdScripts(tx, scopeId, [...new Set([...used.values()].map(({ script }) => script))])
  const now = await findUsed(tx, scopeId, plan)
  for (const [text, { script, version }] of used) {
    if (now.get(text)?.version === version) continue
    throw new PlatformError(
      'script_version_refused',
      `another version of ${script} went online while this was launched: launch it again`,
    )
  }
}
