/** GET /executions: newest first. */
import { z } from 'zod'
import { type ExecutionState, executionStates } from '../../domain/execution.js'
import { isId } from '../../domain/id.js'
import { listExecutions as readExecutions } from '../../store/postgres/executions.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { executionSchema, executionView } from './schema.js'

const LARGEST_ID = '9223372036854775807'

/** `a,b`: a list of known words in one query value. */
export function wordsField<T extends string>(words: readonly T[]) {
  return z
    .string()
    .max(500)
    .refine(
      (text) => text.split(',').every((word) => (words as readonly string[]).includes(word)),
      `must be of: ${words.join(', ')}`,
    )
    .transform((text) => text.split(',') as T[])
    .pipe(z.custom<T[]>())
    .meta({ type: 'string', description: `One or more of ${words.join(', ')}, separated by commas.` })
}

export const listExecutions = operation({
  name: 'list-executions',
  method: 'get',
  path: '/executions',
  policy: 'execution.read',
  summary: 'List executions, newest first',
  query: pageQuery.extend({ state: wordsField<ExecutionState>(executionStates).optional() }),
  response: pageOf(executionSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const before = decodeCursor('execution', query.after, isId) ?? LARGEST_ID
    const rows = await readExecutions(services.pool, scope.id, {
      before,
      limit: query.limit + 1,
      states: query.state,
    })
    return toPage(rows, query.limit, executionView, (execution) => encodeCursor('execution', execution.id))
  },
})
