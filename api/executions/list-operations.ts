/** GET /executions/{executionId}/operations: what people did to it. */
import { z } from 'zod'
import { listOperations as readOperations } from '../../store/postgres/operations.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams, operationSchema, operationView } from './schema.js'

export const listOperations = operation({
  name: 'list-operations',
  method: 'get',
  path: '/executions/{executionId}/operations',
  policy: 'execution.read',
  summary: 'List the operations on an execution, oldest first',
  params: executionParams,
  response: z.object({ items: z.array(operationSchema) }).meta({ id: 'Operations' }),
  errors: ['execution_unknown'],
  async handler({ services, scope, params }) {
    const { id } = await mustFindExecution(services.pool, scope.id, params.executionId)
    return { items: (await readOperations(services.pool, scope.id, id)).map(operationView) }
  },
})
