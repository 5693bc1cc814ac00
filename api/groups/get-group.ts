/** GET /groups/{group}: a group's members. */
import { PlatformError } from '../../domain/errors.js'
import { isId } from '../../domain/id.js'
import { hasGroup, listGroupMembers } from '../../store/postgres/groups.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { groupParams, memberSchema } from './schema.js'

export const getGroup = operation({
  name: 'get-group',
  method: 'get',
  path: '/groups/{group}',
  policy: 'group.read',
  summary: "List a group's members",
  params: groupParams,
  query: pageQuery,
  response: pageOf(memberSchema),
  errors: ['group_unknown', 'cursor_invalid'],
  async handler({ services, scope, params, query }) {
    const after = decodeCursor('member', query.after, isId) ?? '0'
    if (!(await hasGroup(services.pool, scope.id, params.group))) throw groupUnknown(params.group)
    const rows = await listGroupMembers(services.pool, scope.id, params.group, {
      after,
      limit: query.limit + 1,
    })
    return toPage(
      rows,
      query.limit,
      (member) => member,
      (member) => encodeCursor('member', member.id),
    )
  },
})

export function groupUnknown(name: string): PlatformError {
  return new PlatformError('group_unknown', `there is no group ${name}; see: drover groups ls`)
}
