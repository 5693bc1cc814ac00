/** POST /hosts/{hostId}/revoke: ends a host's identity, with its live session. */
import { z } from 'zod'
import type { HostId } from '../../domain/id.js'
import { sendHint } from '../../store/postgres/hints.js'
import { revokeHost as endIdentity } from '../../store/postgres/hosts.js'
import { endUntold } from '../../store/postgres/operate.js'
import { operation } from '../operation.js'
import { queryFlag } from '../paging.js'
import { mustFindHost } from './find-host.js'
import { hostParams, hostSchema, hostView } from './schema.js'

export const revokeHost = operation({
  name: 'revoke-host',
  method: 'post',
  path: '/hosts/{hostId}/revoke',
  policy: 'host.revoke',
  summary: 'Revoke a host: its certificates and its session end',
  description:
    'There is no way back: the machine joins anew, as a new host. Revoking twice is one revocation. What it was sent and has not told ends `unknown`: `host_revoked`, or `journal_lost` if its disk was replaced, for then nobody can ever tell.',
  params: hostParams,
  query: z.object({
    reimaged: queryFlag.optional().describe('Its disk was replaced: what its journal held is lost.'),
  }),
  response: hostSchema,
  errors: ['host_unknown'],
  audit: ({ params, query }) => ({
    resource: `host/${params.hostId}`,
    detail: query.reimaged ? { reimaged: true } : {},
  }),
  async write({ scope, params, query }, tx) {
    const host = await mustFindHost(tx, scope.id, params.hostId)
    if (query.reimaged && host.state !== 'revoked') await endUntold(tx, scope.id, host.id, 'journal_lost')
    await endIdentity(tx, scope.id, params.hostId as HostId)
    // Delivered at the commit: gateways look at their sessions at once, and otherwise within a second.
    await sendHint(tx, 'flags', '')
    return hostView(await mustFindHost(tx, scope.id, params.hostId))
  },
})
