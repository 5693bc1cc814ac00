/** GET /executions/{executionId}/launch: the launch that would do the same again, to be edited first. */
import { z } from 'zod'
import { planSchema } from '../../domain/plan.schema.js'
import type { CompiledStep } from '../../domain/step/step.js'
import { findPlan } from '../../store/postgres/plans.js'
import { readScripts } from '../../store/postgres/scripts.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams } from './schema.js'

export const getLaunch = operation({
  name: 'get-launch',
  method: 'get',
  path: '/executions/{executionId}/launch',
  policy: 'execution.launch',
  summary: 'Get a launch that does the same again',
  description:
    'The plan with its steps as they were frozen, scripts of the library by the versions that ran, and the target as it was written: `run:<id>` instead of it means exactly the same hosts. Post it to `/executions`, as it is or edited.',
  params: executionParams,
  response: z
    .object({ target: z.string(), expiresInMs: z.int(), plan: planSchema })
    .meta({ id: 'LaunchAgain' }),
  errors: ['execution_unknown'],
  async handler({ services: { pool }, scope, params }) {
    const run = await mustFindExecution(pool, scope.id, params.executionId)
    const { name, target, planHash, expiresInMs } = run
    const plan = await findPlan(pool, scope.id, planHash)
    if (!plan) throw new Error(`run r-${params.executionId} has no compiled plan`)
    const own = plan.steps.flatMap((step) =>
      step.type === 'script' && !step.source ? step.scriptSha256 : [],
    )
    const texts = await readScripts(pool, scope.id, own)
    return { target, expiresInMs, plan: { name, steps: plan.steps.map((step) => toInput(step, texts)) } }
  },
})

function toInput(step: CompiledStep, texts: ReadonlyMap<string, string>) {
  if (step.type !== 'script') return step
  const { source, scriptSha256, scriptBytes: _bytes, language, concurrency, ...rest } = step
  const from = source
    ? { uses: `${source.script}@${source.version}` }
    : { script: texts.get(scriptSha256), language }
  return { ...rest, ...from, ...(concurrency === undefined ? {} : { concurrency }) }
}
