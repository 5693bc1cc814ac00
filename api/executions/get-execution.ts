/** GET /executions/{executionId}: an execution with its steps and counts. */
import type { Execution } from '../../store/postgres/executions.js'
import { listSteps } from '../../store/postgres/executions.js'
import { getOrigin } from '../../store/postgres/plans.js'
import { operation } from '../operation.js'
import type { Services } from '../services.js'
import { mustFindExecution } from './find-execution.js'
import { executionDetailSchema, executionParams, executionView, stepView } from './schema.js'

export const getExecution = operation({
  name: 'get-execution',
  method: 'get',
  path: '/executions/{executionId}',
  policy: 'execution.read',
  summary: 'Show an execution',
  params: executionParams,
  response: executionDetailSchema,
  errors: ['execution_unknown'],
  async handler({ services, scope, params }) {
    const execution = await mustFindExecution(services.pool, scope.id, params.executionId)
    const steps = await listSteps(services.pool, scope.id, execution.id)
    const { job, sources } = await getOrigin(services.pool, scope.id, execution.planHash)
    return {
      ...executionView(execution),
      job: job && { name: job.job, plan: job.plan },
      steps: steps.map((step) => stepView(step, sources[step.position] ?? null)),
      links: { temporal: temporalLink(services, execution) },
    }
  },
})

function temporalLink(services: Services, execution: Execution): string | null {
  if (!services.temporalUi) return null
  const namespace = encodeURIComponent(services.temporalNamespace)
  return `${services.temporalUi}/namespaces/${namespace}/workflows/${encodeURIComponent(execution.workflowId)}`
}
