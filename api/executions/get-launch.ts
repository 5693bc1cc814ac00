/** GET /executions/{executionId}/launch: the launch that would do the same again, to be edited first. */
import { z } from 'zod'
import { planSchema } from '../../domain/plan.schema.js'
import type { FrozenSecret } from '../../domain/secret.js'
import type { CompiledRebootStep } from '../../domain/step/reboot-step.js'
import { type CompiledStep, hostStepOf, undoesOf } from '../../domain/step/step.js'
import type { Language } from '../../domain/script.js'
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
    'The plan with its steps as they were frozen, scripts of the library and secrets by the versions that ran, and the target as it was written: `run:<id>` instead of it means exactly the same hosts. Post it to `/executions`, as it is or edited.',
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
    const variables = plan.variables ? { variables: plan.variables.map(toVariable) } : {}
    const steps = inputsOf(plan.steps, texts)
    return { target, expiresInMs, plan: { name, ...variables, steps } }
  },
})

/** With the value that the run began with. */
const toVariable = (variable: CompiledVariable) => ({ ...variable, description: '', required: false })

/** Each step with what takes it back, as a person would write it. */
type StepInput = z.input<typeof planSchema>['steps'][number]

function inputsOf(steps: readonly CompiledStep[], texts: ReadonlyMap<string, string>): StepInput[] {
  return steps.flatMap((step, position): StepInput[] => {
    if (undoesOf(step) !== undefined) return []
    const input = toInput(step, texts)
    const undo = steps.find((other) => undoesOf(other) === position)
    if (!undo) return [input]
    const { name: _name, ...rest } = toInput(undo, texts)
    return [{ ...input, undo: rest } as StepInput]
  })
}

function toInput(step: CompiledStep, texts: ReadonlyMap<string, string>) {
  if (step.type === 'wait') return step
  if (step.type === 'reboot') return rebootInput(step)
  const { source, scriptSha256, scriptBytes: _bytes, concurrency, secrets, undoes: _undoes, ...rest } = step
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

function rebootInput({ type, name, account, timeoutMs, onFailure, when, concurrency }: CompiledRebootStep) {
  const limit = concurrency === undefined ? {} : { concurrency }
  return { type, name, account, timeoutMs, onFailure, ...(when === undefined ? {} : { when }), ...limit }
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
