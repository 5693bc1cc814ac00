/** GET /groups: the scope's host groups. */
import { listGroups as readGroups } from '../../store/postgres/groups.js'
import { toTime } from '../fields.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { groupSchema } from './schema.js'

export const listGroups = operation({
  name: 'list-groups',
  method: 'get',
  path: '/groups',
  policy: 'group.read',
  summary: 'List host groups',
  query: pageQuery,
  response: pageOf(groupSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('group', query.after, isNameCursor) ?? ''
    const rows = await readGroups(services.pool, scope.id, { after, limit: query.limit + 1 })
    return toPage(
      rows,
      query.limit,
      (group) => ({ ...group, createdAt: toTime(group.createdAt) }),
      (group) => encodeCursor('group', group.name),
    )
  },
})
