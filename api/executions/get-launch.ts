/** GET /executions/{executionId}/launch: the launch that would do the same again, to be edited first. */
import { z } from 'zod'
import { around, type NestedPlan } from '../../domain/nested-plan.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { planSchema } from '../../domain/plan.schema.js'
import type { FrozenSecret } from '../../domain/secret.js'
import { type CompiledStep, hostStepOf } from '../../domain/step/step.js'
import type { Language } from '../../domain/script.js'
import { variablesIn } from '../../domain/variable-source.js'
import type { CompiledVariable } from '../../domain/variable.js'
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
    'The plan with its steps as they were frozen, scripts of the library and secrets by the versions that ran, nested plans by their revisions, and the target as it was written: `run:<id>` instead of it means exactly the same hosts. Post it to `/executions`, as it is or edited.',
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
    const own = plan.steps.flatMap((compiled) => {
      const step = hostStepOf(compiled)
      return step && !step.source ? step.scriptSha256 : []
    })
    const texts = await readScripts(pool, scope.id, own)
    const known = variablesIn(plan, undefined)
    const variables = known.length ? { variables: known.map(toVariable) } : {}
    const steps = plan.steps.flatMap((step, position): PlannedStep[] => {
      const visit = around(plan, step.within).at(-1)
      if (!visit) return [toInput(step, texts)]
      return visit.first === position ? [toPlanInput(plan, visit)] : []
    })
    return { target, expiresInMs, plan: { name, ...variables, steps } }
  },
})

type PlannedStep = z.input<typeof planSchema>['steps'][number]

/** With the value that the run began with. */
const toVariable = ({ within: _within, ...variable }: CompiledVariable) => ({
  ...variable,
  description: '',
  required: false,
})

/** The step that brings a nested plan; what its variables began with is said, where they follow none. */
function toPlanInput(plan: CompiledPlan, visit: NestedPlan): PlannedStep {
  const { first: _first, end: _end, within: _within, follows = {}, ...fields } = visit
  const own = variablesIn(plan, plan.nested?.indexOf(visit)).filter(
    ({ name }) => !Object.hasOwn(follows, name),
  )
  const values = Object.fromEntries(own.map(({ name, value }) => [name, value]))
  const type = 'plan' as const
  return { ...fields, type, ...(visit.follows ? { follows } : {}), ...(own.length ? { values } : {}) }
}

function toInput(
  { path: _path, within: _within, ...step }: CompiledStep,
  texts: ReadonlyMap<string, string>,
): PlannedStep {
  if (step.type === 'wait') return step
  const { source, scriptSha256, scriptBytes: _bytes, concurrency, secrets, ...rest } = step
  const text = texts.get(scriptSha256)
  const uses = source && `${source.script}@${source.version}`
  const limit = concurrency === undefined ? {} : { concurrency }
  if (rest.type === 'sql') {
    const { db, language: _language, ...fields } = rest
    // The account is looked up anew, with its secret, as a person would write the step; the database is the one that it was.
    return {
      ...fields,
      ...limit,
      ...(uses ? { uses } : { sql: text }),
      dbAccount: db.name,
      database: db.database,
    }
  }
  const { language, ...fields } = rest
  return {
    ...fields,
    ...limit,
    ...(uses ? { uses } : { script: text, language: scriptLanguage(language) }),
    ...(secrets ? { secrets: namesOf(secrets) } : {}),
  }
}

/** A script step was never made of SQL. */
function scriptLanguage(language: Language): Exclude<Language, 'sql'> {
  if (language === 'sql') throw new Error('a script step is in SQL')
  return language
}

/** As a step says it: `db-password@3`. */
export function namesOf(secrets: Record<string, FrozenSecret>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, { secret, version }]) => [name, `${secret}@${version}`]),
  )
}
