/** An execution as one look shows it: with its steps, their counts, and where it is from. */
import { type Execution, listSteps } from '../../store/postgres/executions.js'
import { getOrigin } from '../../store/postgres/plans.js'
import { snapshot } from '../../store/postgres/transaction.js'
import type { ScopedCall } from '../operation.js'
import type { Services } from '../services.js'
import { mustFindExecution } from './find-execution.js'
import { executionView, stepView } from './schema.js'

/** All of it as it was at one moment, that of its `lastSeq`. @throws PlatformError execution_unknown */
export async function readDetail(
  { services, scope }: Pick<ScopedCall, 'services' | 'scope'>,
  executionId: string,
) {
  const { execution, steps, origin } = await snapshot(services.pool, async (tx) => {
    const found = await mustFindExecution(tx, scope.id, executionId)
    return {
      execution: found,
      steps: await listSteps(tx, scope.id, found.id),
      origin: await getOrigin(tx, scope.id, found.planHash),
    }
  })
  return {
    ...executionView(execution),
    job: origin.job && { name: origin.job.job, plan: origin.job.plan },
    steps: steps.map((step) => stepView(step, origin.steps[step.position])),
    links: { temporal: temporalLink(services, execution) },
  }
}

function temporalLink(services: Services, execution: Execution): string | null {
  if (!services.temporalUi) return null
  const namespace = encodeURIComponent(services.temporalNamespace)
  return `${services.temporalUi}/namespaces/${namespace}/workflows/${encodeURIComponent(execution.workflowId)}`
}
