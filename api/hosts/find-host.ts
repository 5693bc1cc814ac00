/** Finding the host that a path names. */
import { PlatformError } from '../../domain/errors.js'
import type { HostId, ScopeId } from '../../domain/id.js'
import { getHost, type Host } from '../../store/postgres/hosts.js'
import type { Db } from '../../store/postgres/pool.js'

/** @throws PlatformError host_unknown */
export async function mustFindHost(db: Db, scopeId: ScopeId, hostId: string): Promise<Host> {
  const host = await getHost(db, scopeId, hostId as HostId)
  if (host) return host
  throw new PlatformError(
    'host_unknown',
    `there is no host with id ${hostId} in this scope; see: drover hosts ls`,
  )
}
