/** GET /executions/{executionId}/steps/{position}/groups: hosts whose outcome and output are the same, together. */
import { z } from 'zod'
import {
  groupings,
  listOutputGroups as readGroups,
  type OutputGroup,
} from '../../store/postgres/output-groups.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageQuery, toPage } from '../paging.js'
import { mustFindStep } from './find-execution.js'
import { groupKeyField, groupView, hostStateField, stepParams } from './schema.js'

const groupSchema = z.object({
  hosts: z.int(),
  nodeset: z.string().describe('Names of its hosts, folded.'),
  hostId: idField.describe("A host whose output stands for the group's."),
  hostName: z.string(),
  state: hostStateField,
  exitCode: z.int().nullable().describe('In a group by tag null where its hosts differ, as the reason is.'),
  reason: z.string().nullable(),
  tag: z.string().nullable().describe('What their scripts said the outcome is called.'),
  truncated: z.boolean().describe('Whether output was cut at the cap.'),
  identical: z
    .enum(groupings)
    .nullable()
    .describe(
      'Whether its hosts wrote the same bytes, or the same after normalising; null where they have not said, and in a group by tag where they differ.',
    ),
  stdoutBytes: z.number().nullable().describe('Of the host that stands for the group.'),
  stderrBytes: z.number().nullable(),
})

export const listOutputGroups = operation({
  name: 'list-output-groups',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/groups',
  policy: 'output.read',
  summary: "A step's hosts, grouped by equal outcome and output, largest first",
  description:
    'Hosts are in their group from the moment they end. While a step runs groups grow, and one may be on two pages or on none.',
  params: stepParams,
  query: pageQuery.extend({ by: groupKeyField }),
  response: z
    .object({
      groups: z.array(groupSchema),
      total: z.int().describe('How many groups there are, on all pages.'),
      next: z.string().nullable().describe('Give it as `after` for the next page.'),
    })
    .meta({ id: 'OutputGroups' }),
  errors: ['execution_unknown', 'step_unknown', 'cursor_invalid'],
  async handler({ services, scope, params, query }) {
    const step = await mustFindStep(services.pool, scope.id, params)
    const { by, limit } = query
    const after = readCursor(by, query.after)
    const { groups, total } = await readGroups(services.pool, step, { by, after, limit: limit + 1 })
    const page = toPage(groups, limit, viewOf, ({ hostNames, first }) =>
      encodeCursor(`groups-${by}`, `${hostNames.length}:${first}`),
    )
    return { groups: page.items, total, next: page.next }
  },
})

function viewOf({ first: _first, ...group }: OutputGroup): z.input<typeof groupSchema> {
  return groupView(group)
}

function readCursor(by: string, cursor: string | undefined) {
  const text = decodeCursor(`groups-${by}`, cursor, (position) => /^\d{1,6}:\d{1,6}$/.test(position))
  const [hosts, first] = text?.split(':').map(Number) ?? []
  return hosts === undefined || first === undefined ? undefined : { hosts, first }
}
