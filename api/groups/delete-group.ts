/** DELETE /groups/{group}: forgets a group; its hosts stay. */
import { z } from 'zod'
import { removeGroup } from '../../store/postgres/groups.js'
import { operation } from '../operation.js'
import { groupUnknown } from './get-group.js'
import { groupParams } from './schema.js'

export const deleteGroup = operation({
  name: 'delete-group',
  method: 'delete',
  path: '/groups/{group}',
  policy: 'group.write',
  summary: 'Delete a group',
  params: groupParams,
  response: z.object({ name: z.string() }).meta({ id: 'DeletedGroup' }),
  errors: ['group_unknown'],
  audit: ({ params }) => ({ resource: `group/${params.group}`, detail: {} }),
  async write({ scope, params }, tx) {
    if (!(await removeGroup(tx, scope.id, params.group))) throw groupUnknown(params.group)
    return { name: params.group }
  },
})
