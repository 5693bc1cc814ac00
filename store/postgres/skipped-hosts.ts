/** Hosts that an operator leaves out of a step: which they are, and whether they can be. */
import type { HostState } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId } from '../../domain/id.js'
import { skipHosts } from './attempts.js'
import type { StepExecution } from './executions.js'
import type { Db } from './pool.js'

interface Found {
  hostId: HostId
  hostName: string
  state: HostState
}

const SHOWN = 5

/** Why a host in a state is not left out. */
const refused: Partial<Record<HostState, string>> = {
  dispatched: 'was sent its order: cancel, next or a hard pause stop it',
  running: 'runs: cancel, next or a hard pause stop it',
  succeeded: 'has succeeded: there is nothing to leave out',
  skipped: 'is left out already',
  unknown:
    'may have run, nobody knows: wait until its agent tells, retry it with includeUnknown, or ignore the step',
}

/**
 * All of them or none. @param names as they were in the run, or ids (`7`, `id:7`)
 * @returns why it cannot be done, or undefined when it was
 */
export async function skipNamedHosts(
  tx: Db,
  key: { scopeId: ScopeId; executionId: ExecutionId },
  step: Pick<StepExecution, 'id' | 'position'>,
  names: readonly string[],
): Promise<string | undefined> {
  const ids = new Map(names.map((name) => [name, /^(?:id:)?([1-9]\d{0,17})$/.exec(name)?.[1]]))
  const { rows } = await tx.query<Found>(
    `select host_id as "hostId", host_name as "hostName", state from host_result
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and (host_name = any($4) or host_id = any($5))`,
    [key.scopeId, key.executionId, step.id, names, [...ids.values()].filter((id) => id !== undefined)],
  )
  const byName = new Map(rows.map((row) => [row.hostName, row]))
  const byId = new Map(rows.map((row) => [row.hostId as string, row]))
  // A name goes before an id that looks like it.
  const hosts = names.map((name) => byName.get(name) ?? byId.get(ids.get(name) ?? ''))
  const missing = names.filter((_, index) => hosts[index] === undefined)
  if (missing.length) return `not among the hosts of step ${step.position + 1}: ${listed(missing)}`
  const found = [...new Map(hosts.flatMap((host) => (host ? [[host.hostId, host] as const] : []))).values()]
  const faults = found.flatMap((host) => {
    const why = refused[host.state]
    return why === undefined ? [] : [`${host.hostName} ${why}`]
  })
  if (faults.length) return listed(faults)
  const hostIds = found.map((host) => host.hostId)
  await skipHosts(tx, key, step, hostIds)
  return undefined
}

const listed = (texts: readonly string[]) =>
  texts.length > SHOWN
    ? `${texts.slice(0, SHOWN).join('; ')}; and ${texts.length - SHOWN} more`
    : texts.join('; ')
