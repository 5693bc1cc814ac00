/** What a launch is asked with, and what it comes to: steps compiled, hosts found. Nothing is written yet. */
import { z } from 'zod'
import type { ScopeId } from '../../domain/id.js'
import { chooseSteps, type PlanName } from '../../domain/job.js'
import type { FrozenTargets } from '../../domain/frozen-targets.js'
import { checkNoneKept } from '../../domain/secret-variable.js'
import { checkSize } from '../../domain/launch.js'
import { digestText } from '../../domain/launch-digest.js'
import { type Compilation, compilePlan, type Found } from '../../domain/plan.js'
import { adHocSqlSchema, adHocStepSchema, type PlanInput, planSchema } from '../../domain/plan.schema.js'
import { type Values, valuesSchema } from '../../domain/variable.schema.js'
import { checkWaits } from '../../domain/step/wait-step.js'
import type { Db } from '../../store/postgres/pool.js'
import { idField, nameField } from '../fields.js'
import { targetField } from '../hosts/targets.js'
import { mustFindPlan } from '../jobs/find-job.js'
import { findLaunchHosts } from './find-launch-hosts.js'
import { findNamed, sha256, stepErrors } from './find-used.js'
import { withSecretsOf } from './secrets-of.js'

const HOUR_MS = 3_600_000

export const launchSchema = z
  .strictObject({
    plan: planSchema.optional(),
    script: adHocStepSchema.optional().describe('One step, instead of a plan.'),
    sql: adHocSqlSchema.optional().describe('One SQL step, instead of a plan.'),
    job: z
      .strictObject({ name: nameField, plan: nameField })
      .optional()
      .describe('A plan of a job, instead of one that is given here.'),
    variables: valuesSchema
      .optional()
      .describe('Values of variables that count before those of the plan, by their names.'),
    secretsOf: idField
      .optional()
      .describe('The run whose values `******` stands for in the variables of `plan`: to do a run again.'),
    target: targetField
      .optional()
      .describe(
        'Where steps run that have no target of their own, by the grammar of targets: `name:web-[01-40]`, `id:7`, `group:g`, `run:812:failed`, `env=prod,role in (web,db)`, `*`; one a line. Left out only where every step has one.',
      ),
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
    ({ plan, script, sql, job }) => [plan, script, sql, job].filter((one) => one !== undefined).length === 1,
    'give one of plan, script, sql and job',
  )

export type LaunchBody = z.output<typeof launchSchema>

/** What a launch may be refused with, whether it is previewed or done. */
export const launchErrors = [
  'job_unknown',
  ...stepErrors,
  'variable_required',
  'target_required',
  'target_invalid',
  'target_empty',
  'target_too_large',
  'host_unknown',
  'group_unknown',
  'execution_unknown',
] as const

/** What is launched, with the values that its plan gives. */
type Planned = PlanInput & { job?: PlanName; own?: Values }

export interface CompiledLaunch {
  plan: Planned
  targets: FrozenTargets
  /** What the steps name, by how they say it. */
  found: Found
  compilation: Compilation
  expiresInMs: number
}

/** @throws PlatformError as `launchErrors` */
export async function compileLaunch(db: Db, scopeId: ScopeId, body: LaunchBody): Promise<CompiledLaunch> {
  const plan = await planOf(db, scopeId, body)
  const values = { own: plan.own, launch: body.variables ?? {} }
  checkNoneKept(plan.variables ?? [], values.launch)
  const found = await findNamed(db, scopeId, plan, values)
  const compilation = compilePlan(plan, { sha256, ...found }, values)
  checkWaits(compilation.plan.steps, new Date(), body.expiresInMs)
  const targets = await findLaunchHosts(db, scopeId, { plan: compilation.plan, target: body.target })
  checkSize(targets.hosts.length)
  return { plan, targets, found, compilation, expiresInMs: body.expiresInMs }
}

/** Hex; what is in it: domain/launch-digest.ts. */
export function digestOf({ compilation, targets, expiresInMs }: CompiledLaunch): string {
  return sha256(digestText({ plan: compilation.plan, targets, expiresInMs }))
}

/** What a run of a script is called that was given no name. */
export const UNNAMED = 'script'

export function nameOf({ plan, script, sql, job }: LaunchBody): string {
  if (job) return `${job.name}/${job.plan}`
  const step = script ?? sql
  return plan?.name ?? step?.name ?? step?.uses ?? UNNAMED
}

/** The steps that came with the launch. */
export function stepsOf(body: LaunchBody): PlanInput['steps'] {
  const { plan, script, sql } = body
  const name = script?.name ?? sql?.name ?? nameOf(body)
  if (script) return [{ ...script, name }]
  return sql ? [{ ...sql, type: 'sql', name }] : (plan?.steps ?? [])
}

/** What is launched: a plan of a job as it was frozen, or what came with the launch. @throws PlatformError job_unknown, plan_unknown, plan_invalid */
async function planOf(db: Db, scopeId: ScopeId, body: LaunchBody): Promise<Planned> {
  const name = nameOf(body)
  if (!body.job) {
    const variables = await withSecretsOf(db, scopeId, body.plan?.variables ?? [], body.secretsOf)
    return { name, steps: stepsOf(body), variables }
  }
  const job = { job: body.job.name, plan: body.job.plan }
  const { steps, chosen, variables, values } = await mustFindPlan(db, { scopeId, ...job })
  return { name, job, steps: chooseSteps(steps, chosen), variables, own: values }
}
