/** Secrets: their names and numbered versions, and what is sealed of each. Nothing here can open them. */
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { FrozenSecret, SecretState } from '../../domain/secret.js'
import type { Envelope, SecretPlace } from '../secret-envelope.js'
import { type Db, one } from './pool.js'

export interface Secret {
  name: string
  description: string
  /** The version that a step gets if it names none; null if none is enabled. */
  current: number | null
  latest: number
  createdBy: string
  createdAt: Date
  updatedAt: Date
}

export interface SecretVersion {
  version: number
  state: SecretState
  createdBy: string
  createdAt: Date
  updatedAt: Date
}

export interface SecretKey {
  scopeId: ScopeId
  name: string
}

const columns = `s.name, s.description, p.name as "createdBy", s.created_at as "createdAt", s.updated_at as "updatedAt",
  s.next_version - 1 as latest, (select max(v.version) from secret_version v
    where v.scope_id = s.scope_id and v.secret_name = s.name and v.state = 'enabled') as current`
const source = 'secret s join principal p on p.id = s.created_by'

/** Makes it, or takes up the name of one that was removed, whose numbers it goes on with. False if the name is taken. */
export async function insertSecret(
  tx: Db,
  key: SecretKey,
  secret: { description: string; createdBy: PrincipalId },
): Promise<boolean> {
  const result = await tx.query(
    `insert into secret as s (scope_id, name, description, created_by) values ($1, $2, $3, $4)
     on conflict (scope_id, name) do update set description = excluded.description, created_by = excluded.created_by,
       created_at = now(), updated_at = now(), removed_at = null
     where s.removed_at is not null`,
    [key.scopeId, key.name, secret.description, secret.createdBy],
  )
  return result.rowCount === 1
}

/** A secret for one value of a variable: its name is new. */
export async function insertOwnValue(tx: Db, key: SecretKey, createdBy: PrincipalId): Promise<void> {
  await tx.query(
    `insert into secret (scope_id, name, description, created_by, own_value) values ($1, $2, '', $3, true)`,
    [key.scopeId, key.name, createdBy],
  )
}

/** Secrets by name, after a cursor. @param filter.name part of it, any case */
export async function listSecrets(
  db: Db,
  scopeId: ScopeId,
  filter: { name?: string | undefined },
  page: { after: string; limit: number },
): Promise<Secret[]> {
  const result = await db.query<Secret>(
    `select ${columns} from ${source}
     where s.scope_id = $1 and s.name > $2 and s.removed_at is null and not s.own_value
       and ($4::text is null or position(lower($4) in lower(s.name)) > 0)
     order by s.name limit $3`,
    [scopeId, page.after, page.limit, filter.name ?? null],
  )
  return result.rows
}

export async function getSecret(db: Db, key: SecretKey): Promise<Secret | undefined> {
  const result = await db.query<Secret>(
    `select ${columns} from ${source} where s.scope_id = $1 and s.name = $2 and s.removed_at is null`,
    [key.scopeId, key.name],
  )
  return result.rows[0]
}

/** The same, and nobody else changes the secret or its versions before the transaction ends. */
export async function lockSecret(tx: Db, key: SecretKey): Promise<Secret | undefined> {
  const held = await tx.query(
    'select from secret where scope_id = $1 and name = $2 and removed_at is null for no key update',
    [key.scopeId, key.name],
  )
  return held.rowCount ? getSecret(tx, key) : undefined
}

/** With the bytes of all its versions, under its lock. */
export async function removeSecret(tx: Db, key: SecretKey): Promise<void> {
  const at = [key.scopeId, key.name]
  await tx.query(
    `update secret_version set state = 'destroyed', sealed_key = null, sealed_value = null, updated_at = now()
     where scope_id = $1 and secret_name = $2 and state <> 'destroyed'`,
    at,
  )
  await tx.query(
    'update secret set removed_at = now(), updated_at = now() where scope_id = $1 and name = $2',
    at,
  )
}

/**
 * Writes a version under the secret's lock.
 * @param close seals the value for the number that it gets
 * @returns that number
 */
export async function insertSecretVersion(
  tx: Db,
  key: SecretKey,
  createdBy: PrincipalId,
  close: (place: SecretPlace) => Envelope,
): Promise<number> {
  const { version } = one(
    await tx.query<{ version: number }>(
      `update secret set next_version = next_version + 1, updated_at = now() where scope_id = $1 and name = $2
       returning next_version - 1 as version`,
      [key.scopeId, key.name],
    ),
  )
  const { keyId, sealedKey, sealedValue } = close({ scopeId: key.scopeId, secret: key.name, version })
  await tx.query(
    `insert into secret_version (scope_id, secret_name, version, key_id, sealed_key, sealed_value, created_by)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [key.scopeId, key.name, version, keyId, sealedKey, sealedValue, createdBy],
  )
  return version
}

const versionColumns = `v.version, v.state, p.name as "createdBy", v.created_at as "createdAt", v.updated_at as "updatedAt"`

/** Those of today's secret, newest first, below a number: what was destroyed with an earlier one of its name is not shown. */
export async function listSecretVersions(
  db: Db,
  key: SecretKey,
  page: { below: number; limit: number },
): Promise<SecretVersion[]> {
  const result = await db.query<SecretVersion>(
    `select ${versionColumns} from secret s
     join secret_version v on v.scope_id = s.scope_id and v.secret_name = s.name and v.created_at >= s.created_at
     join principal p on p.id = v.created_by
     where s.scope_id = $1 and s.name = $2 and s.removed_at is null and v.version < $3 order by v.version desc limit $4`,
    [key.scopeId, key.name, page.below, page.limit],
  )
  return result.rows
}

export async function getSecretVersion(
  db: Db,
  key: SecretKey,
  version: number,
): Promise<SecretVersion | undefined> {
  const [found] = await listSecretVersions(db, key, { below: version + 1, limit: 1 })
  return found?.version === version ? found : undefined
}

/** Under the secret's lock; a destroyed one loses its bytes. */
export async function setSecretState(
  tx: Db,
  key: SecretKey,
  version: number,
  state: SecretState,
): Promise<void> {
  await tx.query(
    `update secret_version set state = $4, updated_at = now(),
       sealed_key = case when $4 <> 'destroyed' then sealed_key end, sealed_value = case when $4 <> 'destroyed' then sealed_value end
     where scope_id = $1 and secret_name = $2 and version = $3 and state <> $4`,
    [key.scopeId, key.name, version, state],
  )
}

/** The newest enabled version, or the one with the number; `null` for a secret without it, undefined if there is no secret. */
export async function findSecretUse(
  db: Db,
  key: SecretKey,
  version: number | undefined,
): Promise<(FrozenSecret & { state: SecretState }) | null | undefined> {
  const result = await db.query<{ secret: string; version: number | null; id: string; state: SecretState }>(
    `select s.name as secret, v.version, v.id, v.state from secret s
     left join lateral (select * from secret_version v where v.scope_id = s.scope_id and v.secret_name = s.name
         and v.created_at >= s.created_at and case when $3::int is null then v.state = 'enabled' else v.version = $3 end
       order by v.version desc limit 1) v on true
     where s.scope_id = $1 and s.name = $2 and s.removed_at is null`,
    [key.scopeId, key.name, version ?? null],
  )
  const [found] = result.rows
  if (!found) return undefined
  return found.version === null ? null : { ...found, version: found.version }
}

/** Holds secrets as they are until the transaction ends, in the order of their names: a launch and a destruction have an order. */
export async function holdSecrets(tx: Db, scopeId: ScopeId, names: readonly string[]): Promise<void> {
  await tx.query('select from secret where scope_id = $1 and name = any($2) order by name for share', [
    scopeId,
    names,
  ])
}

export interface StoredSecret extends SecretPlace, Envelope {
  id: string
}

/** Of these versions, what is sealed of those that may be given to a script. */
export async function listGivenSecrets(
  db: Db,
  scopeId: ScopeId,
  ids: readonly string[],
): Promise<StoredSecret[]> {
  const result = await db.query<StoredSecret>(
    `select scope_id as "scopeId", id, secret_name as secret, version, key_id as "keyId", sealed_key as "sealedKey",
       sealed_value as "sealedValue"
     from secret_version where scope_id = $1 and id = any($2) and state = 'enabled'`,
    [scopeId, ids],
  )
  return result.rows
}

/** What uses a secret: steps and secret variables of jobs, and of plans as they were frozen, and plans' own values. */
export interface SecretCitation {
  job: string
  /** Null for the job itself. */
  plan: string | null
  /** Null of a variable, which is given to all script steps. */
  step: string | null
  /** The name under which steps get it. */
  as: string
  /** As the step says it: `db-password`, `db-password@3`. */
  uses: string
}

/** What a step is given, and what is given to what takes it back. */
const secretsOfStep = `lateral (values (s->'secrets'), (s->'undo'->'secrets')) as g (secrets)`

/**
 * In the order of their names; a plan holds the steps that it does not choose, too.
 * @param version only where this one is named
 */
export async function listSecretCitations(
  db: Db,
  of: { scopeId: ScopeId; secret: string; version?: number | undefined },
  limit: number,
): Promise<SecretCitation[]> {
  const result = await db.query<SecretCitation>(
    `with d as (select * from job_definition where scope_id = $1 and $2 = any(secrets)),
     e as (select d.job, d.plan, s, n from d, jsonb_array_elements(d.steps) with ordinality as e (s, n)),
     c as (
       select job, plan, s->>'name' as step, u.key as as, u.value as uses, n
       from e, ${secretsOfStep}, jsonb_each_text(case jsonb_typeof(g.secrets) when 'object' then g.secrets else '{}' end) as u (key, value)
       union all
       select e.job, e.plan, s->>'name', v->>'name', s->'values'->(v->>'name')->>'secret', n
       from e join job_plan_revision r on r.scope_id = $1 and r.job_name || '/' || r.plan_name || '@' || r.revision = s->>'plan',
         jsonb_array_elements(r.variables) as v
       where s->>'type' = 'plan' and v->>'type' = 'secret'
       union all
       select job, plan, null, v->>'name', v->'value'->>'secret', 0 from d, jsonb_array_elements(variables) as v where v->>'type' = 'secret'
       union all
       select job, plan, null, v->>'name', own_values->(v->>'name')->>'secret', 0 from d, jsonb_array_elements(variables) as v where v->>'type' = 'secret')
     select job, plan, step, "as", uses from c
     where split_part(uses, '@', 1) = $2 and ($4::int is null or uses = $2 || '@' || $4)
     order by job, plan nulls first, n, "as" limit $3`,
    [of.scopeId, of.secret, limit, of.version ?? null],
  )
  return result.rows
}
