/** GET /recoveries: when the database was found to have been put back, and what is still held for it. */
import { z } from 'zod'
import { countHeldExecutions } from '../../store/postgres/held-runs.js'
import { listRecoveries as readRecoveries } from '../../store/postgres/recoveries.js'
import { toTime, toTimeOrNull } from '../fields.js'
import { operation } from '../operation.js'
import { recoverySchema } from './schema.js'

const SHOWN = 100

export const listRecoveries = operation({
  name: 'list-recoveries',
  method: 'get',
  path: '/recoveries',
  policy: 'execution.read',
  summary: 'List recoveries: the newest hundred, newest first',
  response: z
    .object({
      items: z.array(recoverySchema),
      heldRuns: z.int().describe('Runs of this scope that are `paused` with the reason `recovered` now.'),
    })
    .meta({ id: 'Recoveries' }),
  errors: [],
  async handler({ services, scope }) {
    const items = await readRecoveries(services.pool, scope, SHOWN)
    return {
      items: items.map((item) => ({
        ...item,
        at: toTime(item.at),
        releasedAt: toTimeOrNull(item.releasedAt),
      })),
      heldRuns: await countHeldExecutions(services.pool, scope.id),
    }
  },
})
