/** POST /hosts/{hostId}/revoke: ends a host's identity, with its live session. */
import type { HostId } from '../../domain/id.js'
import { sendHint } from '../../store/postgres/hints.js'
import { revokeHost as endIdentity } from '../../store/postgres/hosts.js'
import { operation } from '../operation.js'
import { mustFindHost } from './find-host.js'
import { hostParams, hostSchema, hostView } from './schema.js'

export const revokeHost = operation({
  name: 'revoke-host',
  method: 'post',
  path: '/hosts/{hostId}/revoke',
  policy: 'host.revoke',
  summary: 'Revoke a host: its certificates and its session end',
  description:
    'There is no way back: the machine joins anew, as a new host. Revoking twice is one revocation.',
  params: hostParams,
  response: hostSchema,
  errors: ['host_unknown'],
  audit: ({ params }) => ({ resource: `host/${params.hostId}`, detail: {} }),
  async write({ scope, params }, tx) {
    await mustFindHost(tx, scope.id, params.hostId)
    await endIdentity(tx, scope.id, params.hostId as HostId)
    // Delivered at the commit: gateways look at their sessions at once, and otherwise within a second.
    await sendHint(tx, 'flags', '')
    return hostView(await mustFindHost(tx, scope.id, params.hostId))
  },
})
