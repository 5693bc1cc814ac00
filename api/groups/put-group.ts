/** PUT /groups/{group}: gives a group exactly the hosts that a target names now. */
import { z } from 'zod'
import { cutText } from '../../domain/text.js'
import { replaceGroup } from '../../store/postgres/groups.js'
import { findTargetHosts, targetField } from '../hosts/targets.js'
import { operation } from '../operation.js'
import { groupParams } from './schema.js'

export const putGroup = operation({
  name: 'put-group',
  method: 'put',
  path: '/groups/{group}',
  policy: 'group.write',
  summary: 'Make a group, or replace its members',
  description:
    'The target is resolved once, now: hosts that match it later do not join the group by themselves.',
  params: groupParams,
  body: z.strictObject({ target: targetField }),
  response: z.object({ name: z.string(), hosts: z.int() }).meta({ id: 'PutGroup' }),
  errors: ['target_invalid', 'target_too_large', 'host_unknown', 'group_unknown', 'execution_unknown'],
  audit: ({ params, body }) => ({
    resource: `group/${params.group}`,
    detail: { target: cutText(body.target, 500) },
  }),
  async write({ scope, params, body }, tx) {
    const hosts = await findTargetHosts(tx, scope.id, body.target)
    await replaceGroup(
      tx,
      scope.id,
      params.group,
      hosts.map((host) => host.id),
    )
    return { name: params.group, hosts: hosts.length }
  },
})
