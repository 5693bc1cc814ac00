/** Targets as requests carry them: text of the one grammar, resolved in the caller's scope. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import type { TargetHost } from '../../domain/frozen-targets.js'
import type { ScopeId } from '../../domain/id.js'
import { parseTarget, TARGET_MAX_HOSTS, TargetFault, type TargetTerm } from '../../domain/target.js'
import type { Db } from '../../store/postgres/pool.js'
import { resolveTarget } from '../../store/postgres/targets.js'

export const targetField = z
  .string()
  .max(4_000_000)
  .describe(
    'Hosts, by the grammar of targets: `name:web-[01-40]`, `id:7`, `group:g`, `run:812:failed`, `env=prod,role in (web,db)`, `*`; one a line.',
  )

/**
 * The hosts that `text` names now.
 * @throws PlatformError target_invalid, target_too_large, host_unknown, group_unknown, execution_unknown
 */
export async function findTargetHosts(db: Db, scopeId: ScopeId, text: string): Promise<TargetHost[]> {
  const terms = parse(text)
  const named = terms.reduce((sum, term) => sum + namedHosts(term), 0)
  if (named > TARGET_MAX_HOSTS) {
    throw new PlatformError(
      'target_too_large',
      `the target names ${named} hosts, at most ${TARGET_MAX_HOSTS} are taken in one run; split it`,
    )
  }
  return resolveTarget(db, scopeId, terms)
}

function parse(text: string): TargetTerm[] {
  try {
    return parseTarget(text)
  } catch (error) {
    if (error instanceof TargetFault)
      throw new PlatformError('target_invalid', error.message, { cause: error })
    throw error
  }
}

function namedHosts(term: TargetTerm): number {
  if (term.kind === 'ids') return term.ids.length
  return term.kind === 'names' ? term.names.length : 0
}
