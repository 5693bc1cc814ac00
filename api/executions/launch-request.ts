/** What a launch is asked with, and what it comes to: steps compiled, hosts found. Nothing is written yet. */
import { z } from 'zod'
import type { ScopeId } from '../../domain/id.js'
import { chooseSteps, type PlanName } from '../../domain/job.js'
import { checkSize, type LabelShare } from '../../domain/launch.js'
import { digestText } from '../../domain/launch-digest.js'
import { type Compilation, compilePlan } from '../../domain/plan.js'
import { adHocStepSchema, type PlanInput, planSchema } from '../../domain/plan.schema.js'
import type { UsedScript } from '../../domain/step/script-step.js'
import { checkWaits } from '../../domain/step/wait-step.js'
import type { Db } from '../../store/postgres/pool.js'
import { labelShares, type TargetHost } from '../../store/postgres/targets.js'
import { nameField } from '../fields.js'
import { findTargetHosts, targetField } from '../hosts/targets.js'
import { mustFindPlan } from '../jobs/find-job.js'
import { findUsed, sha256, stepErrors } from './find-used.js'

const HOUR_MS = 3_600_000

export const launchSchema = z
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
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be the digest of a preview')
      .optional()
      .describe('Of a preview: the launch is refused if anything else would be done by now, or to others.'),
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

export type LaunchBody = z.output<typeof launchSchema>

/** What a launch may be refused with, whether it is previewed or done. */
export const launchErrors = [
  'job_unknown',
  'plan_unknown',
  ...stepErrors,
  'target_invalid',
  'target_empty',
  'target_too_large',
  'host_unknown',
  'group_unknown',
  'execution_unknown',
] as const

export interface CompiledLaunch {
  plan: PlanInput & { job?: PlanName }
  hosts: TargetHost[]
  shares: LabelShare[]
  /** Scripts of the library, by what the steps say. */
  used: ReadonlyMap<string, UsedScript>
  compilation: Compilation
  expiresInMs: number
}

/** @throws PlatformError as `launchErrors` */
export async function compileLaunch(db: Db, scopeId: ScopeId, body: LaunchBody): Promise<CompiledLaunch> {
  const hosts = await findTargetHosts(db, scopeId, body.target)
  checkSize(hosts.length)
  const hostIds = hosts.map((host) => host.id)
  const shares = await labelShares(db, scopeId, hostIds)
  const plan = await planOf(db, scopeId, body)
  const used = await findUsed(db, scopeId, plan)
  const compilation = compilePlan(plan, sha256, used)
  checkWaits(compilation.plan.steps, new Date(), body.expiresInMs)
  return { plan, hosts, shares, used, compilation, expiresInMs: body.expiresInMs }
}

/** Hex; what is in it: domain/launch-digest.ts. */
export function digestOf({ compilation, hosts, expiresInMs }: CompiledLaunch): string {
  const hostIds = hosts.map((host) => host.id)
  return sha256(digestText({ plan: compilation.plan, hostIds, expiresInMs }))
}

/** What a run of a script is called that was given no name. */
export const UNNAMED = 'script'

export const nameOf = ({ plan, script, job }: LaunchBody): string =>
  job ? `${job.name}/${job.plan}` : (plan?.name ?? script?.name ?? script?.uses ?? UNNAMED)

/** The steps that came with the launch. */
export function stepsOf(body: LaunchBody): PlanInput['steps'] {
  const { plan, script } = body
  return plan?.steps ?? (script ? [{ ...script, name: script.name ?? nameOf(body) }] : [])
}

/** What is launched: a plan of a job as it was frozen, or what came with the launch. @throws PlatformError job_unknown, plan_unknown, plan_invalid */
async function planOf(db: Db, scopeId: ScopeId, body: LaunchBody): Promise<PlanInput & { job?: PlanName }> {
  const name = nameOf(body)
  if (!body.job) return { name, steps: stepsOf(body) }
  const job = { job: body.job.name, plan: body.job.plan }
  const { steps, chosen } = await mustFindPlan(db, { scopeId, ...job })
  return { name, job, steps: chooseSteps(steps, chosen) }
}
