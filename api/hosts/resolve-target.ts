/** POST /targets/resolve: which hosts a target names now. Changes nothing, so it needs no key; a POST because targets are long. */
import { z } from 'zod'
import { foldNodeset } from '../../domain/nodeset.js'
import { operation } from '../operation.js'
import { findTargetHosts, targetField } from './targets.js'

const SAMPLE = 20

export const resolveTarget = operation({
  name: 'resolve-target',
  method: 'post',
  path: '/targets/resolve',
  policy: 'host.read',
  summary: 'See which hosts a target names now',
  body: z.strictObject({ target: targetField }),
  response: z
    .object({
      hosts: z.int().describe('How many.'),
      nodeset: z.string().describe('Their names, folded.'),
      names: z.array(z.string()).describe(`The first ${SAMPLE} names.`),
    })
    .meta({ id: 'ResolvedTarget' }),
  errors: ['target_invalid', 'target_too_large', 'host_unknown', 'group_unknown', 'execution_unknown'],
  async compute({ services, scope, body }) {
    const hosts = await findTargetHosts(services.pool, scope.id, body.target)
    const names = hosts.map((host) => host.name)
    return { hosts: names.length, nodeset: foldNodeset(names), names: names.slice(0, SAMPLE) }
  },
})
