/** The scripts of the library that a plan's steps use, as they are at the launch. */
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import type { UsedScript } from '../../domain/plan.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import { parseUse, type ScriptUse, whyNotRun } from '../../domain/script-library.js'
import type { Db } from '../../store/postgres/pool.js'
import { useScript } from '../../store/postgres/script-library.js'

/**
 * In the order of their names, so that two launches wait for each other in one direction only.
 * @returns by what the steps say
 * @throws PlatformError script_unknown, script_version_unknown, script_version_refused
 */
export async function findUsed(
  tx: Db,
  scopeId: ScopeId,
  plan: PlanInput,
): Promise<ReadonlyMap<string, UsedScript>> {
  const uses = new Set(plan.steps.flatMap((step) => step.uses ?? []))
  const found = new Map<string, UsedScript>()
  for (const text of [...uses].sort()) {
    const use = parseUse(text)
    if (use) found.set(text, await mustUse(tx, scopeId, use))
  }
  return found
}

async function mustUse(tx: Db, scopeId: ScopeId, { name, version }: ScriptUse): Promise<UsedScript> {
  const found = await useScript(tx, { scopeId, name }, version)
  if (found === undefined)
    throw new PlatformError('script_unknown', `there is no script ${name}; see: drover scripts ls`)
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
  const why = whyNotRun(found.state, version !== undefined)
  if (why) throw new PlatformError('script_version_refused', `version ${found.version} of ${name} ${why}`)
  return { script: name, version: found.version, language: found.language, content: found.content }
}
