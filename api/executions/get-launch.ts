/** GET /executions/{executionId}/launch: the launch that would do the same again, to be edited first. */
import { z } from 'zod'
import { planSchema } from '../../domain/plan.schema.js'
import type { FrozenSecret } from '../../domain/secret.js'
import type { CompiledPlan } from '../../domain/plan.js'
import type { CompiledRebootStep } from '../../domain/step/reboot-step.js'
import { type CompiledStep, hostStepOf, undoesOf } from '../../domain/step/step.js'
import type { Language } from '../../domain/script.js'
import type { CompiledVariable } from '../../domain/variable.js'
import { findPlan } from '../../store/postgres/plans.js'
import { readScripts } from '../../store/postgres/scripts.js'
import { operation } from '../operation.js'
import { queryFlag } from '../paging.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams } from './schema.js'

export const getLaunch = operation({
  name: 'get-launch',
  method: 'get',
  path: '/executions/{executionId}/launch',
  policy: 'execution.launch',
  summary: 'Get a launch that does the same again',
  description:
    'The plan with its steps as they were frozen, scripts of the library and secrets by the versions that ran, and the target as it was written. Post it to `/executions`, as it is or edited.',
  params: executionParams,
  query: z.strictObject({
    sameHosts: queryFlag
      .default(false)
      .describe('Whether targets name exactly the hosts that the run had, instead of what was written.'),
  }),
  response: z
    .object({ target: z.string().optional(), expiresInMs: z.int(), plan: planSchema })
    .meta({ id: 'LaunchAgain' }),
  errors: ['execution_unknown'],
  async handler({ services: { pool }, scope, params, query }) {
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
    const again = { target, expiresInMs, plan: { name, ...variables, steps } }
    const { target: wanted, ...rest } = query.sameHosts ? onSameHosts(again, plan, params.executionId) : again
    return { ...rest, ...(wanted ? { target: wanted } : {}) }
  },
})

interface Again {
  target: string
  plan: { steps: { type?: string | undefined; target?: string | undefined }[] }
}

/** Each target as the hosts of the step that it was resolved for. What a step takes of earlier ones is what it takes of them again. */
function onSameHosts<A extends Again>(again: A, compiled: CompiledPlan, executionId: string): A {
  const hostsOf = (position: number) => `run:${executionId}/${position + 1}`
  const { steps } = again.plan
  const first = steps.findIndex((step) => step.type !== 'wait' && step.target === undefined)
  const run = first < 0 ? `run:${executionId}` : hostsOf(first)
  const fixed = steps.map((step, position) =>
    step.target === undefined || hostStepOf(compiled.steps[position])?.takes
      ? step
      : { ...step, target: hostsOf(position) },
  )
  return { ...again, target: again.target && run, plan: { ...again.plan, steps: fixed } }
}

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
  const { source, scriptSha256, scriptBytes: _bytes, concurrency, secrets, takes: _takes, ...others } = step
  const { undoes: _undoes, ...rest } = others
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
  const { language, imports: _imports, ...fields } = rest
  return {
    ...fields,
    ...limit,
    ...(uses ? { uses } : { script: text, language: scriptLanguage(language) }),
    ...(secrets ? { secrets: namesOf(secrets) } : {}),
  }
}

function rebootInput({ concurrency, ...step }: CompiledRebootStep) {
  const { type, name, target, onEmpty, account, timeoutMs, onFailure, when } = step
  const limit = concurrency === undefined ? {} : { concurrency }
  return { type, name, target, onEmpty, account, timeoutMs, onFailure, when, ...limit }
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
