/** GET …/steps/{position}/script: the text that a step runs, as it was frozen at the launch; or that of one attempt. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { languages } from '../../domain/script.js'
import { hostStepOf } from '../../domain/step/step.js'
import { findHostResult } from '../../store/postgres/host-results.js'
import { findPlan } from '../../store/postgres/plans.js'
import type { Pool } from '../../store/postgres/pool.js'
import { readScripts } from '../../store/postgres/scripts.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindExecution, mustFindStep, type StepKey } from './find-execution.js'
import { stepParams } from './schema.js'

export const getStepScript = operation({
  name: 'get-step-script',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/script',
  policy: 'execution.launch',
  summary: "Show a step's script",
  description:
    'The text that was frozen at the launch. With `hostId` that of an attempt of this host, which an operation may have given another one: the latest, or `attempt`.',
  params: stepParams,
  query: z
    .strictObject({
      hostId: idField.optional(),
      attempt: z.coerce.number().pipe(z.int().min(1).max(100_000)).optional(),
    })
    .refine((query) => query.attempt === undefined || query.hostId !== undefined, {
      path: ['attempt'],
      message: 'is of a host: give hostId, too',
    }),
  response: z
    .object({
      language: z.enum(languages),
      uses: z
        .string()
        .nullable()
        .describe('The script of the library that it is, as `deploy@3`; null where that was edited.'),
      sha256: z.string(),
      content: z.string(),
    })
    .meta({ id: 'StepScript' }),
  errors: ['execution_unknown', 'step_unknown', 'host_unknown'],
  async handler({ services: { pool }, scope, params, query }) {
    const key = await mustFindStep(pool, scope.id, params)
    const { planHash } = await mustFindExecution(pool, scope.id, params.executionId)
    const compiled = (await findPlan(pool, scope.id, planHash))?.steps[params.position]
    if (!compiled) throw new Error(`run r-${params.executionId} has no compiled step ${params.position}`)
    const step = hostStepOf(compiled)
    if (!step)
      throw new PlatformError(
        'step_unknown',
        `step ${params.position + 1} is a ${compiled.type}: it has no script`,
      )
    const { language, source } = step
    const sha256 = query.hostId === undefined ? step.scriptSha256 : await ranBy(pool, key, query)
    const content = (await readScripts(pool, scope.id, [sha256])).get(sha256)
    if (content === undefined) throw new Error(`the text of script ${sha256} is not kept`)
    const uses = source && sha256 === step.scriptSha256 ? `${source.script}@${source.version}` : null
    return { language, uses, sha256, content }
  },
})

/** @throws PlatformError host_unknown */
async function ranBy(
  pool: Pool,
  key: StepKey,
  { hostId = '', attempt }: { hostId?: string | undefined; attempt?: number | undefined },
): Promise<string> {
  const result = await findHostResult(pool, key, hostId, attempt)
  if (result) return result.scriptSha256
  const which = attempt === undefined ? '' : `, or no attempt ${attempt} of it`
  throw new PlatformError('host_unknown', `there is no host ${hostId} in this step${which}`)
}
