/** GET …/steps/{position}/compare: what became of the hosts in this step, beside another run's. */
import { z } from 'zod'
import { compareSteps as readGroups } from '../../store/postgres/compare.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { queryInteger } from '../paging.js'
import { mustFindStep } from './find-execution.js'
import { groupingField, groupView, hostStateField, stepParams } from './schema.js'

const outcomeSchema = z
  .object({ state: hostStateField, exitCode: z.int().nullable() })
  .nullable()
  .describe('Null where these hosts were not among the hosts of that run.')

export const compareSteps = operation({
  name: 'compare-steps',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/compare',
  policy: 'output.read',
  summary: "Compare a step with another run's",
  description:
    'Hosts in groups by what became of them before and after, and whether they wrote the same; largest first.',
  params: stepParams,
  query: z.strictObject({
    with: idField.describe('The run that is `before`.'),
    step: queryInteger(0, 9_999).optional().describe('Position of its step; the same one if left out.'),
    by: groupingField,
  }),
  response: z
    .object({
      groups: z.array(
        z.object({
          hosts: z.int(),
          nodeset: z.string().describe('Names of its hosts, folded.'),
          hostId: idField.describe('A host that stands for the group.'),
          before: outcomeSchema,
          after: outcomeSchema,
          sameOutput: z.boolean().nullable().describe('Null where one of them has not said what it wrote.'),
        }),
      ),
    })
    .meta({ id: 'StepComparison' }),
  errors: ['execution_unknown', 'step_unknown'],
  async handler({ services: { pool }, scope, params, query }) {
    const other = { executionId: query.with, position: query.step ?? params.position }
    const after = await mustFindStep(pool, scope.id, params)
    const before = await mustFindStep(pool, scope.id, other)
    const groups = await readGroups(pool, scope.id, { before, after, by: query.by })
    return { groups: groups.map(groupView) }
  },
})
