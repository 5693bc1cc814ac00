/** An execution as one look shows it: with its steps, their counts, and where it is from. */
import type { Execution } from '../../store/postgres/executions.js'
import { listSteps } from '../../store/postgres/executions.js'
import { getOrigin } from '../../store/postgres/plans.js'
import type { ScopedCall } from '../operation.js'
import type { Services } from '../services.js'
import { mustFindExecution } from './find-execution.js'
import { executionView, stepView } from './schema.js'

/** @throws PlatformError execution_unknown */
export async function readDetail(
  { services, scope }: Pick<ScopedCall, 'services' | 'scope'>,
  executionId: string,
) {
  const execution = await mustFindExecution(services.pool, scope.id, executionId)
  const steps = await listSteps(services.pool, scope.id, execution.id)
  const { job, steps: origins } = await getOrigin(services.pool, scope.id, execution.planHash)
  return {
    ...executionView(execution),
    job: job && { name: job.job, plan: job.plan },
    steps: steps.map((step) => stepView(step, origins[step.position])),
    links: { temporal: temporalLink(services, execution) },
  }
}

function temporalLink(services: Services, execution: Execution): string | null {
  if (!services.temporalUi) return null
  const namespace = encodeURIComponent(services.temporalNamespace)
  return `${services.temporalUi}/namespaces/${namespace}/workflows/${encodeURIComponent(execution.workflowId)}`
}
