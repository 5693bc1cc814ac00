/** GET /hosts/{hostId}: one host. */
import { operation } from '../operation.js'
import { mustFindHost } from './find-host.js'
import { hostParams, hostSchema, hostView } from './schema.js'

export const getHost = operation({
  name: 'get-host',
  method: 'get',
  path: '/hosts/{hostId}',
  policy: 'host.read',
  summary: 'Show a host',
  params: hostParams,
  response: hostSchema,
  errors: ['host_unknown'],
  async handler({ services, scope, params }) {
    return hostView(await mustFindHost(services.pool, scope.id, params.hostId))
  },
})
