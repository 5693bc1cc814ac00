/** GET /executions/{executionId}/launch: the launch that would do the same again, to be edited first. */
import { z } from 'zod'
import { around, type NestedPlan } from '../../domain/nested-plan.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { planSchema } from '../../domain/plan.schema.js'
import type { FrozenSecret } from '../../domain/secret.js'
import { PlatformError } from '../../domain/errors.js'
import { isOwnValue, showFrozen, showFrozenValue, UNCHANGED } from '../../domain/secret-variable.js'
import type { CompiledRebootStep } from '../../domain/step/reboot-step.js'
import { type CompiledStep, hostStepOf, isGoneThrough, undoesOf } from '../../domain/step/step.js'
import type { Language } from '../../domain/script.js'
import { variablesIn } from '../../domain/variable-source.js'
import type { CompiledVariable } from '../../domain/variable.js'
import type { Value } from '../../domain/variable.schema.js'
import { findPlan } from '../../store/postgres/plans.js'
import { readScripts } from '../../store/postgres/scripts.js'
import { idField } from '../fields.js'
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
    'The plan with its steps as they were frozen, scripts of the library and secrets by the versions that ran, nested plans by their revisions, and the target as it was written. Post it to `/executions`, as it is or edited.',
  params: executionParams,
  query: z.strictObject({
    sameHosts: queryFlag
      .default(false)
      .describe('Whether targets name exactly the hosts that the run had, instead of what was written.'),
  }),
  response: z
    .object({
      target: z.string().optional(),
      expiresInMs: z.int(),
      secretsOf: idField.optional().describe('There where `******` stands for values of this run.'),
      plan: planSchema,
    })
    .meta({ id: 'LaunchAgain' }),
  errors: ['execution_unknown', 'plan_invalid'],
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
    const secrets = plan.secrets ?? {}
    const known = variablesIn(plan, undefined)
    const all = [...known.map(toVariable), ...Object.entries(secrets).map(toSecret)]
    const variables = all.length ? { variables: all } : {}
    const hostsOf = query.sameHosts ? hostsOfRun(plan, run.id) : undefined
    const steps = inputsOf(plan, texts, hostsOf)
    const wanted = target && (hostsOf?.run ?? target)
    const isOwn = Object.values(secrets).some(({ secret }) => isOwnValue(secret))
    return {
      ...(wanted ? { target: wanted } : {}),
      expiresInMs,
      ...(isOwn ? { secretsOf: run.id } : {}),
      plan: { name, ...variables, steps },
    }
  },
})

/** The hosts of the run, and of one of its steps, as targets. */
interface SameHosts {
  run: string
  step: (position: number) => string
}

/** @throws PlatformError plan_invalid */
function hostsOfRun(plan: CompiledPlan, executionId: string): SameHosts {
  const inside = plan.steps.find((step) => step.within !== undefined && hasOwnHosts(step))
  if (inside)
    throw new PlatformError(
      'plan_invalid',
      `the step "${inside.name}" of a nested plan has a target of its own, which comes with its revision: do it again on what the targets mean now, without the same hosts`,
    )
  const step = (position: number) => `run:${executionId}/${position + 1}`
  const first = plan.steps.findIndex((one) => isGoneThrough(one) && hostStepOf(one)?.target === undefined)
  return { run: first < 0 ? `run:${executionId}` : step(first), step }
}

/** What a step takes of earlier ones is what it takes of them again. */
function hasOwnHosts(step: CompiledStep): boolean {
  const { target, takes } = hostStepOf(step) ?? {}
  return target !== undefined && takes === undefined
}

type PlannedStep = z.input<typeof planSchema>['steps'][number]

/** As a person would write them: each step with what takes it back, and nested plans by the steps that bring them. */
function inputsOf(
  plan: CompiledPlan,
  texts: ReadonlyMap<string, string>,
  hostsOf: SameHosts | undefined,
): PlannedStep[] {
  const shared = plan.secrets ?? {}
  return plan.steps.flatMap((step, position): PlannedStep[] => {
    if (undoesOf(step) !== undefined) return []
    const visit = around(plan, step.within).at(-1)
    if (visit) return visit.first === position ? [toPlanInput(plan, visit)] : []
    const same = hostsOf && hasOwnHosts(step) ? { target: hostsOf.step(position) } : {}
    const input = { ...toInput(step, texts, shared), ...same } as PlannedStep
    const undo = plan.steps.find((other) => undoesOf(other) === position)
    if (!undo) return [input]
    const { name: _name, ...rest } = toInput(undo, texts, shared)
    return [{ ...input, undo: rest } as PlannedStep]
  })
}

/** With the value that the run began with. */
const toVariable = ({ within: _within, ...variable }: CompiledVariable) => ({
  ...variable,
  description: '',
  required: false,
})

const toSecret = ([name, frozen]: [string, FrozenSecret]) => ({
  name,
  type: 'secret' as const,
  value: showFrozenValue(frozen),
  description: '',
  required: false,
  changeable: false,
  onDisagreement: 'first' as const,
})

/**
 * The step that brings a nested plan; what its variables began with is said, where they follow none. An own value of a secret
 * is not: it is of the plan at its revision, and comes with it again.
 */
function toPlanInput(plan: CompiledPlan, visit: NestedPlan): PlannedStep {
  const { first: _first, end: _end, within: _within, follows = {}, secrets = {}, ...fields } = visit
  const plain = variablesIn(plan, plan.nested?.indexOf(visit)).map(({ name, value }): Entry => [name, value])
  const named = Object.entries(secrets).map(([name, frozen]): Entry => [name, showFrozenValue(frozen)])
  const own = [...plain, ...named.filter(([, value]) => value !== UNCHANGED)].filter(
    ([name]) => !Object.hasOwn(follows, name),
  )
  const values = own.length ? { values: Object.fromEntries(own) } : {}
  return { ...fields, type: 'plan' as const, ...(visit.follows ? { follows } : {}), ...values }
}

type Entry = [name: string, value: Value]

/** @param shared secrets that are the run's, and not the step's */
function toInput(
  { path: _path, within: _within, ...step }: CompiledStep,
  texts: ReadonlyMap<string, string>,
  shared: Readonly<Record<string, FrozenSecret>>,
) {
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
    ...ownSecrets(secrets ?? {}, shared),
  }
}

function ownSecrets(
  secrets: Record<string, FrozenSecret>,
  shared: Readonly<Record<string, FrozenSecret>>,
): { secrets?: Record<string, string> } {
  const own = Object.entries(secrets).filter(([name]) => !Object.hasOwn(shared, name))
  return own.length ? { secrets: namesOf(Object.fromEntries(own)) } : {}
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

/** As a step says it: `db-password@3`; `******` for the value of a variable. */
export function namesOf(secrets: Record<string, FrozenSecret>): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).map(([name, frozen]) => [name, showFrozen(frozen)]))
}
