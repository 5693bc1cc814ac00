/** Values of variables in a run: what steps began with, what hosts set, and what a step came to with all of them. */
import type { Source } from '../../domain/variable-source.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { Db } from './pool.js'

/** A value as bytes: a text is one item, a map has each key before its value. */
export interface StoredValue {
  name: string
  items: Buffer[]
}

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

interface StepKey extends Key {
  stepExecutionId: StepExecutionId
}

/** Where the values of variables are looked for, by the names that whoever asks has for them. */
export type SourcesByName = ReadonlyMap<string, readonly Source[]>

const asked = (sources: SourcesByName) => {
  const all = [...sources].flatMap(([as, places]) => places.map((place) => ({ as, ...place })))
  return [
    all.map(({ as }) => as),
    all.map(({ name }) => name),
    all.map(({ first }) => first),
    all.map(({ last }) => last),
  ]
}
const askedRows = 'unnest($3::text[], $4::text[], $5::int[], $6::int[]) as a (name, known_as, first, last)'

/** The newest value of each variable in its sources; none for one that nobody has set there. */
export async function listNewestValues(db: Db, key: Key, sources: SourcesByName): Promise<StoredValue[]> {
  const result = await db.query<StoredValue>(
    `select distinct on (a.name) a.name, v.items from ${askedRows}
     join run_value v on v.scope_id = $1 and v.execution_id = $2 and v.name = a.known_as and v.position between a.first and a.last
     order by a.name, v.position desc, v.id desc`,
    [key.scopeId, key.executionId, ...asked(sources)],
  )
  return result.rows
}

export async function listInputs(db: Db, key: StepKey): Promise<StoredValue[]> {
  const result = await db.query<StoredValue>(
    'select name, items from step_input where scope_id = $1 and execution_id = $2 and step_execution_id = $3',
    [key.scopeId, key.executionId, key.stepExecutionId],
  )
  return result.rows
}

/** What a step begins with, for good. */
export async function insertInputs(tx: Db, key: StepKey, values: readonly StoredValue[]): Promise<void> {
  for (const { name, items } of values) {
    await tx.query(
      'insert into step_input (scope_id, execution_id, step_execution_id, name, items) values ($1, $2, $3, $4, $5)',
      [key.scopeId, key.executionId, key.stepExecutionId, name, items],
    )
  }
}

export interface HostValue extends StoredValue {
  hostId: HostId
}

/** What these hosts set in the sources of variables, the newest of each. */
export async function listNewestHostValues(
  db: Db,
  key: Key,
  sources: SourcesByName,
  hostIds: readonly HostId[],
): Promise<HostValue[]> {
  const result = await db.query<HostValue>(
    `select distinct on (v.host_id, a.name) v.host_id as "hostId", a.name, v.items from ${askedRows}
     join host_value v on v.scope_id = $1 and v.execution_id = $2 and v.name = a.known_as and v.host_id = any($7)
     join step_execution s on s.scope_id = v.scope_id and s.id = v.step_execution_id and s.position between a.first and a.last
     order by v.host_id, a.name, s.position desc, v.attempt desc`,
    [key.scopeId, key.executionId, ...asked(sources), hostIds],
  )
  return result.rows
}

/** What the hosts of a step that succeeded came to together. */
export interface DecidedValue extends StoredValue {
  /** The first in the order of the target that set it. */
  hostId: HostId
  hostName: string
  /** How many set it. */
  hosts: number
  /** Whether all of them to this. */
  agreed: boolean
}

/** By the hosts' latest attempts; nothing for a variable that none of them set. */
export async function decideValues(db: Db, key: StepKey, names: readonly string[]): Promise<DecidedValue[]> {
  const result = await db.query<DecidedValue>(
    `select distinct on (v.name) v.name, v.items, v.host_id as "hostId", r.host_name as "hostName", n.hosts, n.different = 1 as agreed
     from host_value v
     join host_result r on (r.scope_id, r.execution_id, r.step_execution_id, r.host_id, r.attempt)
       = (v.scope_id, v.execution_id, v.step_execution_id, v.host_id, v.attempt) and r.state = 'succeeded'
     join (select w.name, count(*)::int as hosts, count(distinct w.items) as different
       from host_value w join host_result q on (q.scope_id, q.execution_id, q.step_execution_id, q.host_id, q.attempt)
         = (w.scope_id, w.execution_id, w.step_execution_id, w.host_id, w.attempt) and q.state = 'succeeded'
       where w.scope_id = $1 and w.execution_id = $2 and w.step_execution_id = $3 and w.name = any($4) group by w.name) n on n.name = v.name
     where v.scope_id = $1 and v.execution_id = $2 and v.step_execution_id = $3
     order by v.name, r.position`,
    [key.scopeId, key.executionId, key.stepExecutionId, names],
  )
  return result.rows
}

export async function insertRunValues(
  tx: Db,
  key: StepKey,
  position: number,
  values: readonly DecidedValue[],
): Promise<void> {
  for (const { name, items, hostId, hostName, hosts, agreed } of values) {
    await tx.query(
      `insert into run_value (scope_id, execution_id, step_execution_id, position, name, items, host_id, host_name, hosts, agreed)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        key.scopeId,
        key.executionId,
        key.stepExecutionId,
        position,
        name,
        items,
        hostId,
        hostName,
        hosts,
        agreed,
      ],
    )
  }
}

/** A value that a step came to, for whoever looks at a run. */
export interface RunValue extends DecidedValue {
  position: number
  decidedAt: Date
}

/** In the order in which they were decided. */
export async function listRunValues(db: Db, key: Key): Promise<RunValue[]> {
  const result = await db.query<RunValue>(
    `select name, items, host_id as "hostId", host_name as "hostName", hosts, agreed, position, decided_at as "decidedAt"
     from run_value where scope_id = $1 and execution_id = $2 order by id`,
    [key.scopeId, key.executionId],
  )
  return result.rows
}

/** What each step began with, in the order of the steps. */
export async function listStepInputs(db: Db, key: Key): Promise<(StoredValue & { position: number })[]> {
  const result = await db.query<StoredValue & { position: number }>(
    `select i.name, i.items, s.position from step_input i join step_execution s on s.scope_id = i.scope_id and s.id = i.step_execution_id
     where i.scope_id = $1 and i.execution_id = $2 order by s.position, i.name`,
    [key.scopeId, key.executionId],
  )
  return result.rows
}
