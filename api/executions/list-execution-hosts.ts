/** GET /executions/{executionId}/steps/{position}/hosts: every host's result, in the order of the target. */
import { z } from 'zod'
import { type HostState, hostStates } from '../../domain/host-result.js'
import { TAG_MAX_CHARACTERS } from '../../domain/script.js'
import { listHostResults } from '../../store/postgres/host-results.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { mustFindStep } from './find-execution.js'
import { wordsField } from './list-executions.js'
import { hostResultSchema, hostResultView, stepParams } from './schema.js'

export const listExecutionHosts = operation({
  name: 'list-execution-hosts',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/hosts',
  policy: 'execution.read',
  summary: "List a step's host results",
  params: stepParams,
  query: pageQuery.extend({
    state: wordsField<HostState>(hostStates).optional(),
    tag: z
      .string()
      .min(1)
      .max(TAG_MAX_CHARACTERS)
      .optional()
      .describe('Only hosts whose scripts called their outcome so.'),
  }),
  response: pageOf(hostResultSchema),
  errors: ['execution_unknown', 'step_unknown', 'cursor_invalid'],
  async handler({ services, scope, params, query }) {
    const after = decodeCursor('result', query.after, (position) => /^\d{1,6}$/.test(position)) ?? '-1'
    const step = await mustFindStep(services.pool, scope.id, params)
    const page = { after: Number(after), limit: query.limit + 1, states: query.state, tag: query.tag }
    const rows = await listHostResults(services.pool, step, page)
    return toPage(rows, query.limit, hostResultView, (result) =>
      encodeCursor('result', String(result.position)),
    )
  },
})
