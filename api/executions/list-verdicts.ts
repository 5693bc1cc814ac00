/** GET /executions/{executionId}/steps/{position}/hosts/{hostId}/verdicts: all that was said of a host, oldest first. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import type { HostId } from '../../domain/id.js'
import { listVerdicts as listRows, type Verdict } from '../../store/postgres/verdicts.js'
import { idField, toTimeOrNull } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindStep } from './find-execution.js'
import { stepParams, verdictSchema } from './schema.js'

export const listVerdicts = operation({
  name: 'list-verdicts',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/hosts/{hostId}/verdicts',
  policy: 'execution.read',
  summary: 'List the verdicts on a host, oldest first',
  description:
    'The end of each attempt. One that was `unknown` and became known later is there twice: as it was said first, and as the journal told it.',
  params: stepParams.extend({ hostId: idField }),
  response: z.object({ items: z.array(verdictSchema) }),
  errors: ['execution_unknown', 'step_unknown', 'host_unknown'],
  async handler({ services, scope, params }) {
    const step = await mustFindStep(services.pool, scope.id, params)
    const rows = await listRows(services.pool, { ...step, hostId: params.hostId as HostId })
    if (!rows.length)
      throw new PlatformError(
        'host_unknown',
        `host ${params.hostId} is not among the hosts of this step; see: drover runs show r-${params.executionId}`,
      )
    return { items: rows.map(verdictView) }
  },
})

function verdictView(verdict: Verdict): z.input<typeof verdictSchema> {
  return { ...verdict, at: toTimeOrNull(verdict.at) }
}
