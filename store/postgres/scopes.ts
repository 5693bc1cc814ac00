/** Scopes: who owns a thing. */
import type { ScopeId } from '../../domain/id.js'
import { type Db, one } from './pool.js'

export interface Scope {
  id: ScopeId
  name: string
}

/** The scope that holds what belongs to the platform as a whole: keys and gateways. */
export async function firstScope(db: Db): Promise<Scope> {
  const result = await db.query<Scope>('select id, name from scope order by id limit 1')
  const [scope] = result.rows
  if (!scope) throw new Error('there is no scope: the first migration has not run')
  return scope
}

/** The scope that holds the public scripts and nothing else; it is no scope of anybody's. */
export async function publicScopeId(db: Db): Promise<ScopeId> {
  const result = await db.query<{ id: ScopeId }>('select id from scope where is_public')
  return one(result).id
}
