/** GET /hosts: hosts of the scope, or of a target. */
import { isId } from '../../domain/id.js'
import { listHosts as readHosts } from '../../store/postgres/hosts.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, queryFlag, toPage } from '../paging.js'
import { hostSchema, hostView } from './schema.js'
import { findTargetHosts, targetField } from './targets.js'

export const listHosts = operation({
  name: 'list-hosts',
  method: 'get',
  path: '/hosts',
  policy: 'host.read',
  summary: 'List hosts',
  query: pageQuery.extend({
    target: targetField.optional(),
    includeRevoked: queryFlag.default(false).describe('Whether hosts that were revoked are listed too.'),
  }),
  response: pageOf(hostSchema),
  errors: [
    'cursor_invalid',
    'target_invalid',
    'target_too_large',
    'host_unknown',
    'group_unknown',
    'execution_unknown',
  ],
  async handler({ services, scope, query }) {
    const after = decodeCursor('host', query.after, isId) ?? '0'
    const targets =
      query.target === undefined ? undefined : await findTargetHosts(services.pool, scope.id, query.target)
    const rows = await readHosts(services.pool, scope.id, {
      after,
      limit: query.limit + 1,
      ids: targets?.map((host) => host.id),
      includeRevoked: query.includeRevoked,
    })
    return toPage(rows, query.limit, hostView, (host) => encodeCursor('host', host.id))
  },
})
