/** POST /executions: launches a plan, or one ad-hoc step, on hosts that are found once and then frozen. */
import { z } from 'zod'
import type { ScopeId } from '../../domain/id.js'
import { chooseSteps, type PlanName } from '../../domain/job.js'
import { checkTargets } from '../../domain/launch.js'
import { compilePlan } from '../../domain/plan.js'
import { cutText } from '../../domain/text.js'
import { adHocStepSchema, type PlanInput, planSchema } from '../../domain/plan.schema.js'
import { insertLaunch } from '../../store/postgres/launches.js'
import { labelShares } from '../../store/postgres/targets.js'
import type { Db } from '../../store/postgres/pool.js'
import { nameField } from '../fields.js'
import { findTargetHosts, targetField } from '../hosts/targets.js'
import { mustFindPlan } from '../jobs/find-job.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { findUsed, holdUsed, sha256, stepErrors } from './find-used.js'
import { executionSchema, executionView } from './schema.js'
import { startWorkflow } from './start-workflow.js'

const HOUR_MS = 3_600_000

const launchSchema = z
  .strictObject({
    plan: planSchema.optional(),
    script: adHocStepSchema.optional().describe('One step, instead of a plan.'),
    job: z
      .strictObject({ name: nameField, plan: nameField })
      .optional()
      .describe('A plan of a job, instead of one that is given here.'),
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
  .refine(
    ({ plan, script, job }) => [plan, script, job].filter((one) => one !== undefined).length === 1,
    'give one of plan, script and job',
  )

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
    'job_unknown',
    'plan_unknown',
    ...stepErrors,
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
      name: nameOf(body),
      target: cutText(body.target, 500),
      job: body.job ?? null,
      scripts: stepsOf(body).map((step) => step.uses ?? sha256(step.script ?? '')),
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
    const plan = await planOf(tx, scope.id, body)
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

type Body = z.output<typeof launchSchema>

const nameOf = ({ plan, script, job }: Body): string =>
  job ? `${job.name}/${job.plan}` : (plan?.name ?? script?.name ?? script?.uses ?? 'script')

/** The steps that came with the launch. */
function stepsOf(body: Body): PlanInput['steps'] {
  const { plan, script } = body
  return plan?.steps ?? (script ? [{ ...script, name: script.name ?? nameOf(body) }] : [])
}

/** What is launched: a plan of a job as it was frozen, or what came with the launch. @throws PlatformError job_unknown, plan_unknown, plan_invalid */
async function planOf(tx: Db, scopeId: ScopeId, body: Body): Promise<PlanInput & { job?: PlanName }> {
  const name = nameOf(body)
  if (!body.job) return { name, steps: stepsOf(body) }
  const job = { job: body.job.name, plan: body.job.plan }
  const { steps, chosen } = await mustFindPlan(tx, { scopeId, ...job })
  return { name, job, steps: chooseSteps(steps, chosen) }
}
