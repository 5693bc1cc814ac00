/** The libraries of scripts, which have the same operations: a scope's own, and the public one, which every scope uses. */
import type { ScopeId } from '../../domain/id.js'
import type { Action } from '../../domain/role.js'
import { publicUse } from '../../domain/script-library.js'
import type { Db } from '../../store/postgres/pool.js'
import { publicScopeId, type Scope } from '../../store/postgres/scopes.js'

export interface Library {
  /** What its paths begin with. */
  path: string
  /** Who changes it; whoever reads scripts reads both. */
  write: Extract<Action, 'script.write' | 'public-script.write'>
  /** What an operation on it is called, by what it is called on a scope's own. */
  called(operation: string): string
  /** How steps name a script of it. */
  used(name: string): string
  /** The scope that holds its scripts, for one that asks. */
  scopeIdOf(db: Db, scope: Scope): ScopeId | Promise<ScopeId>
}

export const ownLibrary: Library = {
  path: '/scripts',
  write: 'script.write',
  called: (operation) => operation,
  used: (name) => name,
  scopeIdOf: (_db, scope) => scope.id,
}

export const publicLibrary: Library = {
  path: '/public-scripts',
  write: 'public-script.write',
  called: (operation) => operation.replace('script', 'public-script'),
  used: publicUse,
  scopeIdOf: (db) => publicScopeId(db),
}
