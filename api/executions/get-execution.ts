/** GET /executions/{executionId}: an execution with its steps and counts. */
import { operation } from '../operation.js'
import { readDetail } from './execution-detail.js'
import { executionDetailSchema, executionParams } from './schema.js'

export const getExecution = operation({
  name: 'get-execution',
  method: 'get',
  path: '/executions/{executionId}',
  policy: 'execution.read',
  summary: 'Show an execution',
  params: executionParams,
  response: executionDetailSchema,
  errors: ['execution_unknown'],
  handler: (call) => readDetail(call, call.params.executionId),
})
