/** Resolving targets: which hosts a parsed target names, now. */
import { PlatformError } from '../../domain/errors.js'
import type { HostId, ScopeId } from '../../domain/id.js'
import type { LabelShare } from '../../domain/launch.js'
import type { TargetHost } from '../../domain/frozen-targets.js'
import { compareNatural } from '../../domain/nodeset.js'
import type { Requirement, TargetTerm } from '../../domain/target.js'
import type { Db } from './pool.js'

/**
 * The hosts of a target in natural order of their names, each once; revoked ones are no hosts.
 * @throws PlatformError host_unknown, group_unknown, execution_unknown
 */
export async function resolveTarget(
  db: Db,
  scopeId: ScopeId,
  terms: readonly TargetTerm[],
): Promise<TargetHost[]> {
  const found = new Map<HostId, TargetHost>()
  for (const term of terms) {
    for (const host of await resolveTerm(db, scopeId, term)) found.set(host.id, host)
  }
  return [...found.values()].sort((a, b) => compareNatural(a.name, b.name))
}

async function resolveTerm(db: Db, scopeId: ScopeId, term: TargetTerm): Promise<TargetHost[]> {
  switch (term.kind) {
    case 'all':
      return select(db, scopeId, 'true', [])
    case 'names': {
      const hosts = await select(db, scopeId, 'h.name = any($2)', [term.names])
      mustFind(term.names, new Set(hosts.map((host) => host.name)), 'no host is called')
      return hosts
    }
    case 'ids': {
      const hosts = await select(db, scopeId, 'h.id = any($2)', [term.ids])
      mustFind(term.ids, new Set<string>(hosts.map((host) => host.id)), 'there is no host with id')
      return hosts
    }
    case 'group':
      return resolveGroup(db, scopeId, term.group)
    case 'run':
      return resolveRun(db, scopeId, term)
    case 'labels': {
      const params: unknown[] = []
      const where = term.requirements.map((requirement) => condition(requirement, params)).join(' and ')
      return select(db, scopeId, where, params)
    }
  }
}

async function select(db: Db, scopeId: ScopeId, where: string, params: unknown[]): Promise<TargetHost[]> {
  // As one object, so that it is not prepared: there is a text for every shape of a target.
  const result = await db.query<TargetHost>({
    text: `select h.id, h.name from host h where h.scope_id = $1 and h.state <> 'revoked' and ${where}`,
    values: [scopeId, ...params],
  })
  return result.rows
}

/** SQL of one requirement; its values go to `params`, whose first stands at $2. */
function condition(requirement: Requirement, params: unknown[]): string {
  const isFact = requirement.key.startsWith('fact.')
  params.push(isFact ? requirement.key.slice('fact.'.length) : requirement.key)
  const having = `from ${isFact ? 'host_fact' : 'host_label'} l where l.scope_id = h.scope_id and l.host_id = h.id and l.key = $${params.length + 1}`
  switch (requirement.op) {
    case 'exists':
      return `exists (select ${having})`
    case 'missing':
      return `not exists (select ${having})`
    case 'in':
    case 'not in':
      params.push(requirement.values)
      return `${requirement.op === 'in' ? '' : 'not '}exists (select ${having} and l.value = any($${params.length + 1}))`
  }
}

function mustFind(wanted: readonly string[], found: ReadonlySet<string>, what: string): void {
  const missing = wanted.filter((item) => !found.has(item))
  if (!missing.length) return
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  throw new PlatformError(
    'host_unknown',
    `${what} ${missing.slice(0, 5).join(', ')}${more}; see what there is with: drover hosts ls`,
  )
}

async function resolveGroup(db: Db, scopeId: ScopeId, group: string): Promise<TargetHost[]> {
  const known = await db.query('select from host_group where scope_id = $1 and name = $2', [scopeId, group])
  if (!known.rowCount) throw new PlatformError('group_unknown', `there is no group ${group}`)
  return select(
    db,
    scopeId,
    `h.id in (select host_id from host_group_member m where m.scope_id = $1 and m.group_name = $2)`,
    [group],
  )
}

async function resolveRun(
  db: Db,
  scopeId: ScopeId,
  term: TargetTerm & { kind: 'run' },
): Promise<TargetHost[]> {
  const known = await db.query('select from execution where scope_id = $1 and id = $2', [
    scopeId,
    term.executionId,
  ])
  if (!known.rowCount) throw new PlatformError('execution_unknown', `there is no run r-${term.executionId}`)
  return select(
    db,
    scopeId,
    `h.id in (select r.host_id from host_result r where r.scope_id = $1 and r.execution_id = $2 and ($3::text[] is null or r.state = any($3))
       and ($4::int is null or r.step_execution_id = (
         select s.id from step_execution s where s.scope_id = $1 and s.execution_id = $2 and s.position = $4)))`,
    [term.executionId, term.states ?? null, term.step ?? null],
  )
}

/** For every label that the targets carry: how many of them, of how many hosts. */
export async function labelShares(
  db: Db,
  scopeId: ScopeId,
  hostIds: readonly HostId[],
): Promise<LabelShare[]> {
  const result = await db.query<{ label: string; targeted: string; carrying: string }>(
    // Joined, not compared with a list: a generic plan would go through all of it for each label of each host.
    `select l.key || '=' || l.value as label, count(t.id) as targeted, count(*) as carrying
     from host_label l join host h on h.scope_id = l.scope_id and h.id = l.host_id and h.state <> 'revoked'
     left join unnest($2::bigint[]) as t (id) on t.id = l.host_id
     where l.scope_id = $1 group by l.key, l.value having count(t.id) > 0`,
    [scopeId, hostIds],
  )
  return result.rows.map((row) => ({
    label: row.label,
    targeted: Number(row.targeted),
    carrying: Number(row.carrying),
  }))
}
