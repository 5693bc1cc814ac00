/** GET …/steps/{position}/script: the text that a step runs, as it was frozen at the launch. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { languages } from '../../domain/script.js'
import { findPlan } from '../../store/postgres/plans.js'
import { readScripts } from '../../store/postgres/scripts.js'
import { operation } from '../operation.js'
import { mustFindExecution, mustFindStep } from './find-execution.js'
import { stepParams } from './schema.js'

export const getStepScript = operation({
  name: 'get-step-script',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/script',
  policy: 'execution.launch',
  summary: "Show a step's script",
  params: stepParams,
  response: z
    .object({
      language: z.enum(languages),
      uses: z.string().nullable().describe('The script of the library that it is, as `deploy@3`.'),
      sha256: z.string(),
      content: z.string(),
    })
    .meta({ id: 'StepScript' }),
  errors: ['execution_unknown', 'step_unknown'],
  async handler({ services: { pool }, scope, params }) {
    await mustFindStep(pool, scope.id, params)
    const { planHash } = await mustFindExecution(pool, scope.id, params.executionId)
    const step = (await findPlan(pool, scope.id, planHash))?.steps[params.position]
    if (!step) throw new Error(`run r-${params.executionId} has no compiled step ${params.position}`)
    if (step.type !== 'script')
      throw new PlatformError(
        'step_unknown',
        `step ${params.position + 1} is a ${step.type}: it has no script`,
      )
    const texts = await readScripts(pool, scope.id, [step.scriptSha256])
    const content = texts.get(step.scriptSha256)
    if (content === undefined) throw new Error(`the text of script ${step.scriptSha256} is not kept`)
    const { language, source, scriptSha256: sha256 } = step
    return { language, uses: source ? `${source.script}@${source.version}` : null, sha256, content }
  },
})
