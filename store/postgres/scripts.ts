/** Script texts, stored once by their hash. */
import type { ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

/** SQL that keeps texts ($3) by their hashes ($2, hex) in a scope ($1), as far as they are new. */
export const insertingScripts = `insert into script_text (scope_id, sha256, content)
     select $1, decode(s.sha256, 'hex'), convert_to(s.content, 'UTF8') from unnest($2::text[], $3::text[]) as s (sha256, content)
     on conflict do nothing`

export async function insertScripts(
  db: Db,
  scopeId: ScopeId,
  scripts: ReadonlyMap<string, string>,
): Promise<void> {
  await db.query(insertingScripts, [scopeId, [...scripts.keys()], [...scripts.values()]])
}

/** Texts by their hashes (hex), as they are kept. */
export function readScripts(
  db: Db,
  scopeId: ScopeId,
  sha256s: readonly string[],
): Promise<Map<string, string>> {
  return readScriptsWith(db, scopeId, sha256s, '')
}

/** The same, of texts that have a word in them. */
export async function readScriptsWith(
  db: Db,
  scopeId: ScopeId,
  sha256s: readonly string[],
  word: string,
): Promise<Map<string, string>> {
  if (!sha256s.length) return new Map()
  const result = await db.query<{ sha256: string; content: string }>(
    `select encode(sha256, 'hex') as sha256, convert_from(content, 'UTF8') as content from script_text
     where scope_id = $1 and sha256 in (select decode(h, 'hex') from unnest($2::text[]) as h)
       and position(convert_to($3, 'UTF8') in content) > 0`,
    [scopeId, sha256s, word],
  )
  return new Map(result.rows.map(({ sha256, content }) => [sha256, content]))
}

/** How long a text is, by its hash (hex). */
export async function findScriptBytes(db: Db, scopeId: ScopeId, sha256: string): Promise<number | undefined> {
  const result = await db.query<{ bytes: number }>(
    `select length(content) as bytes from script_text where scope_id = $1 and sha256 = decode($2, 'hex')`,
    [scopeId, sha256],
  )
  return result.rows[0]?.bytes
}

/** The text of a script, for a gateway to relay: undefined unless one of these executions, without an end, was ordered to run it. */
export async function findScript(
  db: Db,
  of: { scopeId: ScopeId; executionIds: readonly string[]; sha256: Buffer },
): Promise<Buffer | undefined> {
  const result = await db.query<{ content: Buffer | null }>('select relayed_script($1, $2, $3) as content', [
    of.scopeId,
    of.executionIds,
    of.sha256,
  ])
  return result.rows[0]?.content ?? undefined
}
