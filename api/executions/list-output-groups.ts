/** GET /executions/{executionId}/steps/{position}/groups: hosts whose outcome and output are the same, together. */
import { z } from 'zod'
import { listOutputGroups as readGroups } from '../../store/postgres/host-results.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindStep } from './find-execution.js'
import { groupView, hostStateField, stepParams } from './schema.js'

export const listOutputGroups = operation({
  name: 'list-output-groups',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/groups',
  policy: 'output.read',
  summary: "A step's hosts, grouped by equal outcome and output, largest first",
  params: stepParams,
  response: z
    .object({
      groups: z.array(
        z.object({
          hosts: z.int(),
          nodeset: z.string().describe('Names of its hosts, folded.'),
          hostId: idField.describe("A host whose output stands for the group's."),
          state: hostStateField,
          exitCode: z.int().nullable(),
          stdoutBytes: z.number().nullable(),
          stderrBytes: z.number().nullable(),
        }),
      ),
    })
    .meta({ id: 'OutputGroups' }),
  errors: ['execution_unknown', 'step_unknown'],
  async handler({ services, scope, params }) {
    const groups = await readGroups(services.pool, await mustFindStep(services.pool, scope.id, params))
    return { groups: groups.map(groupView) }
  },
})
