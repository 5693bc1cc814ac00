/** POST /hosts/{hostId}/release: lifts a quarantine. */
import { PlatformError } from '../../domain/errors.js'
import type { HostId } from '../../domain/id.js'
import { sendHint } from '../../store/postgres/hints.js'
import { releaseHost as endQuarantine } from '../../store/postgres/hosts.js'
import { endUntold } from '../../store/postgres/operate.js'
import { operation } from '../operation.js'
import { mustFindHost } from './find-host.js'
import { hostParams, hostSchema, hostView } from './schema.js'

export const releaseHost = operation({
  name: 'release-host',
  method: 'post',
  path: '/hosts/{hostId}/release',
  policy: 'host.release',
  summary: 'Lift the quarantine of a host',
  description:
    'For whoever has made sure that one agent is left under this identity. It connects anew and gets work again; what the host was sent before and has not told ends `unknown`. Releasing a host that is not quarantined changes nothing.',
  params: hostParams,
  response: hostSchema,
  errors: ['host_unknown', 'host_revoked'],
  audit: ({ params }) => ({ resource: `host/${params.hostId}`, detail: {} }),
  async write({ scope, params }, tx) {
    const hostId = params.hostId as HostId
    const host = await mustFindHost(tx, scope.id, hostId)
    if (host.state === 'revoked')
      throw new PlatformError('host_revoked', `host ${host.name} was revoked: let it join anew`)
    if (host.state === 'quarantined') {
      const reason = host.stateReason === 'journal_rolled_back' ? host.stateReason : 'journal_conflict'
      await endUntold(tx, scope.id, hostId, reason)
      await endQuarantine(tx, scope.id, hostId)
      // Delivered at the commit: gateways end its session at once, and otherwise within seconds.
      await sendHint(tx, 'flags', '')
    }
    return hostView(await mustFindHost(tx, scope.id, hostId))
  },
})
