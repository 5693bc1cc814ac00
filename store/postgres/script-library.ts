/** The script library: scripts by name, their numbered versions, and the texts that plans use. */
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { Language } from '../../domain/script.js'
import type { VersionState } from '../../domain/script-library.js'
import { type Db, one } from './pool.js'
import { insertScripts } from './scripts.js'

export interface LibraryScript {
  name: string
  language: Language
  description: string
  tags: string[]
  revision: number
  createdBy: string
  createdAt: Date
  updatedAt: Date
  /** Numbers of versions; null if there is none. */
  online: number | null
  latest: number | null
}

export interface ScriptVersion {
  version: number
  state: VersionState
  note: string
  /** Hex. */
  sha256: string
  bytes: number
  revision: number
  createdBy: string
  createdAt: Date
  updatedAt: Date
}

export interface ScriptKey {
  scopeId: ScopeId
  name: string
}

const columns = `s.name, s.language, s.description, s.tags, s.revision, p.name as "createdBy", s.created_at as "createdAt", s.updated_at as "updatedAt",
  (select v.version from script_version v where v.scope_id = s.scope_id and v.script_name = s.name and v.state = 'online') as online,
  (select max(v.version) from script_version v where v.scope_id = s.scope_id and v.script_name = s.name) as latest`

/** Makes it, or takes up the name of one that was removed, whose numbers it goes on with. False if the name is taken. */
export async function insertScript(
  tx: Db,
  key: ScriptKey,
  script: { language: Language; description: string; tags: readonly string[]; createdBy: PrincipalId },
): Promise<boolean> {
  const result = await tx.query(
    `insert into script as s (scope_id, name, language, description, tags, created_by) values ($1, $2, $3, $4, $5, $6)
     on conflict (scope_id, name) do update set language = excluded.language, description = excluded.description, tags = excluded.tags,
       created_by = excluded.created_by, created_at = now(), updated_at = now(), revision = s.revision + 1, removed_at = null
     where s.removed_at is not null`,
    [key.scopeId, key.name, script.language, script.description, script.tags, script.createdBy],
  )
  return result.rowCount === 1
}

export interface ScriptFilter {
  /** Part of the name, any case. */
  name?: string | undefined
  tag?: string | undefined
  language?: Language | undefined
  /** Words of the newest version's text, byte for byte. */
  text?: string | undefined
}

/** Scripts by name, after a cursor. */
export async function listScripts(
  db: Db,
  scopeId: ScopeId,
  filter: ScriptFilter,
  page: { after: string; limit: number },
): Promise<LibraryScript[]> {
  const result = await db.query<LibraryScript>(
    `select ${columns} from script s join principal p on p.id = s.created_by
     where s.scope_id = $1 and s.name > $2 and s.removed_at is null
       and ($4::text is null or position(lower($4) in lower(s.name)) > 0)
       and ($5::text is null or $5 = any(s.tags))
       and ($6::text is null or s.language = $6)
       and ($7::text is null or exists (
         select from script_version v join script_text t on t.scope_id = v.scope_id and t.sha256 = v.sha256
         where v.scope_id = s.scope_id and v.script_name = s.name and position(convert_to($7, 'UTF8') in t.content) > 0
           and v.version = (select max(n.version) from script_version n where n.scope_id = s.scope_id and n.script_name = s.name)))
     order by s.name limit $3`,
    [
      scopeId,
      page.after,
      page.limit,
      filter.name ?? null,
      filter.tag ?? null,
      filter.language ?? null,
      filter.text ?? null,
    ],
  )
  return result.rows
}

export async function getScript(db: Db, key: ScriptKey): Promise<LibraryScript | undefined> {
  const result = await db.query<LibraryScript>(
    `select ${columns} from script s join principal p on p.id = s.created_by
     where s.scope_id = $1 and s.name = $2 and s.removed_at is null`,
    [key.scopeId, key.name],
  )
  return result.rows[0]
}

/** The same, and nobody else changes the script or its versions before the transaction ends. */
export async function lockScript(tx: Db, key: ScriptKey): Promise<LibraryScript | undefined> {
  const held = await tx.query(
    'select from script where scope_id = $1 and name = $2 and removed_at is null for no key update',
    [key.scopeId, key.name],
  )
  return held.rowCount ? getScript(tx, key) : undefined
}

/** Under the script's lock. */
export async function updateScript(
  tx: Db,
  key: ScriptKey,
  change: { description?: string | undefined; tags?: readonly string[] | undefined },
): Promise<void> {
  await tx.query(
    `update script set description = coalesce($3, description), tags = coalesce($4, tags), revision = revision + 1, updated_at = now()
     where scope_id = $1 and name = $2`,
    [key.scopeId, key.name, change.description ?? null, change.tags ?? null],
  )
}

/** With all its versions, under its lock. What runs, or has run, keeps its text. */
export async function removeScript(tx: Db, key: ScriptKey): Promise<void> {
  const at = [key.scopeId, key.name]
  await tx.query('delete from script_version where scope_id = $1 and script_name = $2', at)
  await tx.query(
    'update script set removed_at = now(), revision = revision + 1 where scope_id = $1 and name = $2',
    at,
  )
}

export interface NewVersion {
  note: string
  text: { sha256: string; content: string; bytes: number }
  createdBy: PrincipalId
}

/** Writes a draft under the script's lock. @returns its number */
export async function insertVersion(tx: Db, key: ScriptKey, version: NewVersion): Promise<number> {
  const { sha256, content, bytes } = version.text
  await insertScripts(tx, key.scopeId, new Map([[sha256, content]]))
  const drawn = await tx.query<{ version: number }>(
    `update script set next_version = next_version + 1, updated_at = now() where scope_id = $1 and name = $2
     returning next_version - 1 as version`,
    [key.scopeId, key.name],
  )
  const number = one(drawn).version
  await tx.query(
    `insert into script_version (scope_id, script_name, version, state, note, sha256, bytes, created_by)
     values ($1, $2, $3, 'draft', $4, decode($5, 'hex'), $6, $7)`,
    [key.scopeId, key.name, number, version.note, sha256, bytes, version.createdBy],
  )
  return number
}

const versionColumns = `v.version, v.state, v.note, encode(v.sha256, 'hex') as sha256, v.bytes, v.revision, p.name as "createdBy",
  v.created_at as "createdAt", v.updated_at as "updatedAt"`

/** Newest first, below a number. */
export async function listVersions(
  db: Db,
  key: ScriptKey,
  page: { below: number; limit: number },
): Promise<ScriptVersion[]> {
  const result = await db.query<ScriptVersion>(
    `select ${versionColumns} from script_version v join principal p on p.id = v.created_by
     where v.scope_id = $1 and v.script_name = $2 and v.version < $3 order by v.version desc limit $4`,
    [key.scopeId, key.name, page.below, page.limit],
  )
  return result.rows
}

/** One version with its text. */
export async function getVersion(
  db: Db,
  key: ScriptKey,
  version: number,
): Promise<(ScriptVersion & { content: string }) | undefined> {
  const result = await db.query<ScriptVersion & { content: string }>(
    `select ${versionColumns}, convert_from(t.content, 'UTF8') as content from script_version v join principal p on p.id = v.created_by
     join script_text t on t.scope_id = v.scope_id and t.sha256 = v.sha256
     where v.scope_id = $1 and v.script_name = $2 and v.version = $3`,
    [key.scopeId, key.name, version],
  )
  return result.rows[0]
}

/** Gives a draft another text or note, under the script's lock. */
export async function updateVersion(
  tx: Db,
  key: ScriptKey,
  version: number,
  change: { note?: string | undefined; text?: NewVersion['text'] | undefined },
): Promise<void> {
  const { text, note } = change
  if (text) await insertScripts(tx, key.scopeId, new Map([[text.sha256, text.content]]))
  await tx.query(
    `update script_version set note = coalesce($4, note), sha256 = coalesce(decode($5, 'hex'), sha256), bytes = coalesce($6, bytes),
       revision = revision + 1, updated_at = now()
     where scope_id = $1 and script_name = $2 and version = $3`,
    [key.scopeId, key.name, version, note ?? null, text?.sha256 ?? null, text?.bytes ?? null],
  )
}

/** Under the script's lock; a version that goes online takes the former one offline. */
export async function setVersionState(
  tx: Db,
  key: ScriptKey,
  version: number,
  state: VersionState,
): Promise<void> {
  const at = [key.scopeId, key.name]
  if (state === 'online') {
    await tx.query(
      `update script_version set state = 'offline', revision = revision + 1, updated_at = now()
       where scope_id = $1 and script_name = $2 and state = 'online'`,
      at,
    )
  }
  await tx.query(
    `update script_version set state = $4, revision = revision + 1, updated_at = now()
     where scope_id = $1 and script_name = $2 and version = $3`,
    [...at, version, state],
  )
}

export async function removeVersion(tx: Db, key: ScriptKey, version: number): Promise<void> {
  await tx.query('delete from script_version where scope_id = $1 and script_name = $2 and version = $3', [
    key.scopeId,
    key.name,
    version,
  ])
}
