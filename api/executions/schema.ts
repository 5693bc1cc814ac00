/** Executions, steps and host results, as the API shows them. */
import { z } from 'zod'
import { executionStates } from '../../domain/execution.js'
import { hostStates } from '../../domain/host-result.js'
import { foldNodeset } from '../../domain/nodeset.js'
import { operationKinds, seenRuns } from '../../domain/operation.js'
import { cutText } from '../../domain/text.js'
import { stepTypes } from '../../domain/step/step.js'
import { stepStates } from '../../domain/step-execution.js'
import type { Execution, StepExecution } from '../../store/postgres/executions.js'
import type { HostResult } from '../../store/postgres/host-results.js'
import type { Operation } from '../../store/postgres/operations.js'
import { groupings, groupKeys } from '../../store/postgres/output-groups.js'
import type { StepOrigin } from '../../store/postgres/plans.js'
import { idField, timeField, toTime, toTimeOrNull } from '../fields.js'

export const executionParams = z.object({ executionId: idField })
export const stepParams = executionParams.extend({
  position: z
    .string()
    .regex(/^\d{1,4}$/, 'must be the position of a step, from 0')
    .transform(Number)
    .pipe(z.int().min(0).max(9_999)),
})

export const executionStateField = z.enum(executionStates)
export const hostStateField = z.enum(hostStates)

export const executionSchema = z
  .object({
    id: idField,
    name: z.string(),
    state: executionStateField,
    reason: z.string().nullable(),
    trigger: z.enum(['api', 'schedule', 'nested']),
    launchedBy: z.string(),
    target: z
      .string()
      .describe('As it was written; longer ones are cut. Empty where every step has one of its own.'),
    hosts: z.int(),
    pause: z.enum(['soft', 'hard']).nullable(),
    cancelRequestedAt: timeField.nullable(),
    expiresAt: timeField.describe('Orders of this execution are not carried out after this.'),
    createdAt: timeField,
    startedAt: timeField.nullable(),
    endedAt: timeField.nullable(),
    continuation: z.int().describe('How often it was taken up again after an end.'),
    lastSeq: z.string().describe('Number of its newest event.'),
  })
  .meta({ id: 'Execution' })

export const inPlanField = z
  .object({
    step: z
      .string()
      .describe(
        'The step that brings the plan; `prepare/drain` where that is a step of a nested one itself.',
      ),
    plan: z.string().describe('As `deploy-site/quick@3`.'),
  })
  .nullable()
  .describe('The nested plan that it is of; null for what is of the run itself.')

export const stepSchema = z
  .object({
    id: idField,
    position: z.int().describe('From 0.'),
    type: z.enum(stepTypes),
    name: z.string().describe('With those of the steps that bring the plans around it: `prepare/drain`.'),
    uses: z.string().nullable().describe('The script of the library that it runs, as `deploy@3`.'),
    path: z
      .string()
      .describe(
        'Where it stands: `2.0` is the first step of the plan that is the third step; `u3` takes back the step at position 3.',
      ),
    in: inPlanField,
    target: z
      .string()
      .nullable()
      .describe("Its own, as it was written; longer ones are cut. null: the run's, or none."),
    state: z.enum(stepStates),
    reason: z.string().nullable(),
    hosts: z.int().describe('0 before a step begins that takes hosts of earlier ones.'),
    counts: z.partialRecord(hostStateField, z.int()).describe('Hosts by state; they sum to `hosts`.'),
    undoes: z
      .int()
      .nullable()
      .describe(
        'Position of the step that it takes back; null of the steps that the run goes through by itself.',
      ),
    startedAt: timeField.nullable(),
    endedAt: timeField.nullable(),
  })
  .meta({ id: 'Step' })

export const executionDetailSchema = executionSchema
  .extend({
    job: z
      .object({ name: z.string(), plan: z.string() })
      .nullable()
      .describe('The plan that it is a run of; null where that came with the launch.'),
    steps: z.array(stepSchema),
    links: z.object({ temporal: z.string().nullable().describe("Its page in Temporal's web UI.") }),
  })
  .meta({ id: 'ExecutionDetail' })

const scriptField = z
  .string()
  .describe(
    'sha256 (hex) of the text that the attempt runs: that of the plan, or one that an operation brought.',
  )

export const hostResultSchema = z
  .object({
    hostId: idField,
    hostName: z.string(),
    position: z.int().describe('In the order of the run: the same in each of its steps.'),
    attempt: z.int(),
    state: hostStateField,
    started: z.enum(['no', 'yes', 'maybe']).describe('Whether the script began to run.'),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    startedAt: timeField.nullable(),
    endedAt: timeField.nullable(),
    durationMs: z.number().nullable(),
    stdoutBytes: z.number().nullable(),
    stderrBytes: z.number().nullable(),
    truncated: z.boolean().describe('Whether output was cut at the cap.'),
    tag: z
      .string()
      .nullable()
      .describe('What the script said its outcome is called, by `drover-tag` or job_success and job_fail.'),
    resolvedAt: timeField.nullable().describe('When the host told of an outcome that was unknown.'),
    scriptSha256: scriptField,
  })
  .meta({ id: 'HostResult' })

export const verdictSchema = z
  .object({
    attempt: z.int(),
    state: hostStateField,
    started: z.enum(['no', 'yes', 'maybe']),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    at: timeField.nullable().describe('When it was said; null while the attempt has no end.'),
    amended: z.boolean().describe('Whether it took the place of `unknown`.'),
    scriptSha256: scriptField,
  })
  .meta({ id: 'Verdict' })

export const whyField = z
  .string()
  .min(1)
  .max(500)
  .optional()
  .describe('Why it is done, for whoever reads the run later.')

export const operationSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(operationKinds),
    args: z.object({
      hard: z.boolean().optional(),
      step: z.int().optional(),
      hosts: z.array(z.string()).optional(),
      all: z.boolean().optional(),
      scriptSha256: z.string().optional().describe('Of the edited script that it brought.'),
      includeUnknown: z.boolean().optional(),
      unknownHosts: z.int().optional(),
      seen: z.enum(seenRuns).optional(),
      why: whyField,
    }),
    by: z.string(),
    state: z.enum(['requested', 'accepted', 'refused']),
    reason: z.string().nullable(),
    createdAt: timeField,
    decidedAt: timeField.nullable(),
  })
  .meta({ id: 'Operation' })

const comparisons =
  "`output` compares byte for byte, `normalised` without what is other on every host by its nature: times, ids, the host's own name."

export const groupingField = z.enum(groupings).default('normalised').describe(comparisons)

export const groupKeyField = z
  .enum(groupKeys)
  .default('normalised')
  .describe(`${comparisons} \`tag\` takes state and tag alone, whatever was written.`)

/** A group of hosts as it is shown: how many, and their names folded. */
export function groupView<G extends { hostNames: readonly string[] }>({ hostNames, ...group }: G) {
  return { ...group, hosts: hostNames.length, nodeset: foldNodeset(hostNames) }
}

const TARGET_SHOWN = 2_000

export function executionView(execution: Execution): z.input<typeof executionSchema> {
  const { id, name, state, reason, trigger, launchedBy, target, hosts, pause, continuation, lastSeq } =
    execution
  return {
    id,
    name,
    state,
    reason,
    trigger,
    launchedBy,
    target: cutText(target, TARGET_SHOWN),
    hosts,
    pause,
    continuation,
    lastSeq,
    cancelRequestedAt: toTimeOrNull(execution.cancelRequestedAt),
    expiresAt: toTime(execution.expiresAt),
    createdAt: toTime(execution.createdAt),
    startedAt: toTimeOrNull(execution.startedAt),
    endedAt: toTimeOrNull(execution.endedAt),
  }
}

export function stepView(
  step: StepExecution,
  { source, target, visit }: StepOrigin = { source: null, target: null, visit: null },
): z.input<typeof stepSchema> {
  const { failureIgnored: _ignored, ...rest } = step
  const uses = source && `${source.script}@${source.version}`
  return {
    ...rest,
    uses,
    in: visit,
    target: target && cutText(target, TARGET_SHOWN),
    startedAt: toTimeOrNull(step.startedAt),
    endedAt: toTimeOrNull(step.endedAt),
  }
}

export function hostResultView(result: HostResult): z.input<typeof hostResultSchema> {
  return {
    ...result,
    startedAt: toTimeOrNull(result.startedAt),
    endedAt: toTimeOrNull(result.endedAt),
    resolvedAt: toTimeOrNull(result.resolvedAt),
  }
}

export function operationView(operation: Operation): z.input<typeof operationSchema> {
  const { id, kind, args, principal, state, reason } = operation
  return {
    id,
    kind,
    args,
    by: principal,
    state,
    reason,
    createdAt: toTime(operation.createdAt),
    decidedAt: toTimeOrNull(operation.decidedAt),
  }
}
