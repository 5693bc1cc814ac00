/** What steps mean by the scripts that they use, of their scope's library or of the one that all scopes share. */
import type { ScopeId } from '../../domain/id.js'
import type { Language } from '../../domain/script.js'
import { publicName, type VersionState } from '../../domain/script-library.js'
import type { Db } from './pool.js'
import { publicScopeId } from './scopes.js'
import type { ScriptKey } from './script-library.js'

/** Where the script is that steps of a scope name so. @param used `deploy`, `public/deploy` */
export async function keyOfUsed(db: Db, scopeId: ScopeId, used: string): Promise<ScriptKey> {
  const name = publicName(used)
  return name === undefined ? { scopeId, name: used } : { scopeId: await publicScopeId(db), name }
}

/** What a use means at this moment; its text is kept already. */
export interface UsedVersion {
  language: Language
  version: number
  state: VersionState
  /** Hex. */
  sha256: string
  bytes: number
}

/** The version that is online, or the one with the number; `null` for a script without it, undefined if there is no script. */
export async function findUse(
  db: Db,
  key: ScriptKey,
  version: number | undefined,
): Promise<UsedVersion | null | undefined> {
  const result = await db.query<Omit<UsedVersion, 'version'> & { version: number | null }>(
    `select s.language, v.version, v.state, encode(v.sha256, 'hex') as sha256, v.bytes from script s
     left join script_version v on v.scope_id = s.scope_id and v.script_name = s.name
       and case when $3::int is null then v.state = 'online' else v.version = $3 end
     where s.scope_id = $1 and s.name = $2 and s.removed_at is null`,
    [key.scopeId, key.name, version ?? null],
  )
  const [found] = result.rows
  if (!found) return undefined
  return found.version === null ? null : { ...found, version: found.version }
}

/**
 * Holds scripts as they are until the transaction ends, in one order: a launch and a disabling have an order.
 * Called last, so that nobody who changes a script waits for a launch of many hosts.
 * @param used names, as steps of the scope say them
 */
export async function holdScripts(tx: Db, scopeId: ScopeId, used: readonly string[]): Promise<void> {
  const keys: ScriptKey[] = []
  for (const name of used) keys.push(await keyOfUsed(tx, scopeId, name))
  await tx.query(
    `select from script where (scope_id, name) in (select * from unnest($1::bigint[], $2::text[]))
     order by scope_id, name for share`,
    [keys.map((key) => key.scopeId), keys.map((key) => key.name)],
  )
}

/** Keeps the texts of public scripts (their sha256, hex) with the scope that runs them: a run has all that it needs in its own. */
export async function keepPublicTexts(tx: Db, scopeId: ScopeId, sha256s: readonly string[]): Promise<void> {
  if (!sha256s.length) return
  await tx.query(
    `insert into script_text (scope_id, sha256, content)
     select $1, t.sha256, t.content from script_text t
     where t.scope_id = $2 and t.sha256 in (select decode(h, 'hex') from unnest($3::text[]) as h)
     on conflict do nothing`,
    [scopeId, await publicScopeId(tx), sha256s],
  )
}

/** Which of a plan's used versions are disabled by now, as `deploy@3`. @param positions of the steps that are looked at */
export async function listDisabled(
  db: Db,
  scopeId: ScopeId,
  planHash: Buffer,
  positions: readonly number[],
): Promise<string[]> {
  const named = await db.query<{ script: string; version: number }>(
    `select distinct s.step->'source'->>'script' as script, (s.step->'source'->>'version')::int as version
     from plan_ir p, jsonb_array_elements(p.body->'steps') with ordinality as s (step, n)
     where p.scope_id = $1 and p.hash = $2 and s.n - 1 = any($3) and s.step ? 'source'`,
    [scopeId, planHash, positions],
  )
  const disabled: string[] = []
  for (const { script, version } of named.rows) {
    const found = await findUse(db, await keyOfUsed(db, scopeId, script), version)
    if (found?.state === 'disabled') disabled.push(`${script}@${version}`)
  }
  return disabled.sort()
}
