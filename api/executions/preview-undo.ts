/** GET /executions/{executionId}/undo: what an undo of the run would do now, and to whom; nothing is started. */
import { z } from 'zod'
import { HELD_BY_RECOVERY, isHeldByRecovery } from '../../domain/execution.js'
import { foldNodeset } from '../../domain/nodeset.js'
import { routeOperation, viewOf } from '../../domain/operation.js'
import { hostStepOf, stepTypes } from '../../domain/step/step.js'
import { type Execution, listSteps, type StepExecution } from '../../store/postgres/executions.js'
import type { Db } from '../../store/postgres/pool.js'
import { listEffects, listLaterRuns, type StepEffects } from '../../store/postgres/undo-preview.js'
import { withoutUndo } from '../../store/postgres/undo.js'
import { mustFindPlan, whyNotUndone } from '../../store/postgres/undone-runs.js'
import { idField, timeField, toTime } from '../fields.js'
import { operation } from '../operation.js'
import { mustFindExecution } from './find-execution.js'
import { executionParams } from './schema.js'

const hostsFields = (what: string) => ({
  hosts: z.int().describe(`${what} and is not undone yet.`),
  nodeset: z.string().describe('Names of these hosts, folded.'),
})

const undoPreviewSchema = z
  .object({
    refusal: z.string().nullable().describe('Why an undo would be refused as things are, if so.'),
    steps: z
      .array(
        z.object({
          position: z.int(),
          name: z.string(),
          type: z.enum(stepTypes),
          undoes: z.int().describe('Position of the step that it takes back.'),
          uses: z.string().nullable(),
          account: z.string(),
          scriptSha256: z.string(),
          ...hostsFields('On how many hosts the step took effect'),
          unknown: z.object(hostsFields('Of how many hosts nobody knows whether it took effect')),
        }),
      )
      .describe('In the order in which they would run: newest first.'),
    without: z
      .array(z.object({ position: z.int(), name: z.string() }))
      .describe('Steps that have begun and say nothing of how they are undone: what they did stays.'),
    later: z
      .array(z.object({ id: idField, name: z.string(), hosts: z.int(), createdAt: timeField }))
      .describe(
        'Runs that began something on these hosts since, newest first, among the 20 newest runs: an undo knows nothing of them.',
      ),
  })
  .meta({ id: 'UndoPreview' })

export const previewUndo = operation({
  name: 'preview-undo',
  method: 'get',
  path: '/executions/{executionId}/undo',
  policy: 'execution.read',
  summary: 'Preview an undo',
  description:
    'What the operation `undo` would begin now: which scripts, on which hosts. Nothing is started.',
  params: executionParams,
  response: undoPreviewSchema,
  errors: ['execution_unknown'],
  async handler({ services: { pool }, scope, params }) {
    const execution = await mustFindExecution(pool, scope.id, params.executionId)
    const steps = await listSteps(pool, scope.id, execution.id)
    const plan = await mustFindPlan(pool, execution)
    const key = { scopeId: scope.id, executionId: execution.id }
    const effects = await listEffects(pool, key, plan)
    const hostIds = [...new Set(effects.flatMap((effect) => effect.hostIds))]
    return {
      refusal: (await refusalOf(pool, execution, steps)) ?? null,
      steps: plan.steps.flatMap((compiled, position) => {
        const step = hostStepOf(compiled)
        if (step?.undoes === undefined) return []
        const { type, name, source, account, scriptSha256, undoes } = step
        const uses = source ? `${source.script}@${source.version}` : null
        const on = (effect: StepEffects['effect']) => hostsOf(effects, undoes, effect)
        return [
          { position, name, type, undoes, uses, account, scriptSha256, ...on('yes'), unknown: on('maybe') },
        ]
      }),
      without: withoutUndo(plan, steps).map(({ position, name }) => ({ position, name })),
      later: (await listLaterRuns(pool, key, hostIds)).map((run) => ({
        ...run,
        createdAt: toTime(run.createdAt),
      })),
    }
  },
})

function hostsOf(effects: readonly StepEffects[], position: number, effect: StepEffects['effect']) {
  const names = effects.find((of) => of.position === position && of.effect === effect)?.hostNames ?? []
  return { hosts: names.length, nodeset: foldNodeset(names) }
}

/** The same that the operation would be answered. */
async function refusalOf(
  db: Db,
  execution: Execution,
  steps: readonly StepExecution[],
): Promise<string | undefined> {
  if (isHeldByRecovery(execution)) return HELD_BY_RECOVERY
  const route = routeOperation('undo', {}, viewOf(execution, steps))
  if (route.route === 'refuse') return route.why
  return whyNotUndone(db, { execution, steps, args: {} }, await mustFindPlan(db, execution))
}
