/** POST /executions: launches a plan, or one ad-hoc step, on hosts that are found once and then frozen. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { checkTargets } from '../../domain/launch.js'
import { compilePlan } from '../../domain/plan.js'
import { cutText } from '../../domain/text.js'
import { adHocStepSchema, type PlanInput, planSchema } from '../../domain/plan.schema.js'
import { insertLaunch } from '../../store/postgres/launches.js'
import { labelShares } from '../../store/postgres/targets.js'
import { findTargetHosts, targetField } from '../hosts/targets.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { findUsed, holdUsed } from './find-used.js'
import { executionSchema, executionView } from './schema.js'
import { startWorkflow } from './start-workflow.js'

const HOUR_MS = 3_600_000

const launchSchema = z
  .strictObject({
    plan: planSchema.optional(),
    script: adHocStepSchema.optional().describe('One step, instead of a plan.'),
    target: targetField,
    confirm: z
      .int()
      .min(1)
      .optional()
      .describe('How many hosts the caller expects; needed where they are many.'),
    expiresInMs: z
      .int()
      .min(60_000)
      .max(72 * HOUR_MS)
      .default(24 * HOUR_MS)
      .describe('How long orders of this execution may be carried out.'),
  })
  .refine((body) => (body.plan === undefined) !== (body.script === undefined), 'give either plan or script')

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

export const launchExecution = operation({
  name: 'launch-execution',
  method: 'post',
  path: '/executions',
  policy: 'execution.launch',
  summary: 'Launch a plan or a script',
  description:
    'Answers as soon as the execution is written; it starts by itself, even where Temporal is away for a while.',
  status: 201,
  body: launchSchema,
  response: executionSchema,
  errors: [
    'script_unknown',
    'script_version_unknown',
    'script_version_refused',
    'script_too_large',
    'plan_invalid',
    'plan_too_large',
    'target_invalid',
    'target_empty',
    'target_too_large',
    'host_unknown',
    'group_unknown',
    'execution_unknown',
    'confirmation_required',
  ],
  audit: ({ body }) => ({
    resource: 'execution',
    detail: {
      name: planOf(body).name,
      target: cutText(body.target, 500),
      scripts: planOf(body).steps.map((step) => step.uses ?? sha256(step.script ?? '')),
    },
  }),
  async write({ scope, caller, body }, tx) {
    const hosts = await findTargetHosts(tx, scope.id, body.target)
    const shares = await labelShares(
      tx,
      scope.id,
      hosts.map((host) => host.id),
    )
    checkTargets(hosts.length, shares, body.confirm)
    const plan = planOf(body)
    const used = await findUsed(tx, scope.id, plan)
    const { executionId } = await insertLaunch(tx, {
      scopeId: scope.id,
      scopeName: scope.name,
      principalId: caller.principalId,
      trigger: 'api',
      compilation: compilePlan(plan, sha256, used),
      target: body.target,
      hosts,
      expiresInMs: body.expiresInMs,
    })
    await holdUsed(tx, scope.id, plan, used)
    return executionView(await mustFindExecution(tx, scope.id, executionId))
  },
  async finish({ services, scope }, answer, replayed) {
    if (!replayed) await startWorkflow(services, scope, answer.id)
    return answer
  },
})

function planOf({ plan, script }: z.output<typeof launchSchema>): PlanInput {
  if (plan) return plan
  if (!script) throw new Error('the schema lets neither plan nor script be left out')
  const name = script.name ?? script.uses ?? 'script'
  return { name, steps: [{ ...script, name }] }
}
