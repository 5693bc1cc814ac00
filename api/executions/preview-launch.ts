/** POST /executions/preview: what a launch would do, to whom, and for how long; nothing is started. */
import { z } from 'zod'
import { compareSteps, type StepChange } from '../../domain/launch-digest.js'
import { type LabelShare, whyConfirm } from '../../domain/launch.js'
import { visitOf } from '../../domain/nested-plan.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { showFrozenValue } from '../../domain/secret-variable.js'
import { secretsIn } from '../../domain/visit-secrets.js'
import { type FrozenTargets, mostHosts, type StepHosts } from '../../domain/frozen-targets.js'
import { foldNodeset } from '../../domain/nodeset.js'
import { type CompiledStep, hostStepOf, importsOf, stepTypes, undoesOf } from '../../domain/step/step.js'
import { describeTakes } from '../../domain/step/take.js'
import { valueSchema, variableTypeField } from '../../domain/variable.schema.js'
import { countAway, groupShares, listSuccesses, type PastRun } from '../../store/postgres/launch-history.js'
import { findPlan, hashPlan } from '../../store/postgres/plans.js'
import { labelShares } from '../../store/postgres/targets.js'
import { mustAllow } from '../auth/authorize.js'
import { signInSchema } from '../db-accounts/schema.js'
import { idField, timeField, toTime } from '../fields.js'
import { operation } from '../operation.js'
import { namesOf } from './get-launch.js'
import {
  type CompiledLaunch,
  compileLaunch,
  digestOf,
  type LaunchBody,
  launchErrors,
  launchSchema,
  nameOf,
  UNNAMED,
} from './launch-request.js'
import { inPlanField } from './schema.js'

/** Labels and groups shown: those of which the launch touches the largest part. */
const SHARES_SHOWN = 20

const shareSchema = z.object({
  of: z.string().describe('`group:web`, or a label as `env=prod`.'),
  targeted: z.int().describe('Its hosts that the launch touches.'),
  hosts: z.int().describe('All of its hosts.'),
})

const previewSchema = z
  .object({
    name: z.string(),
    digest: z.string().describe('Over the compiled steps and the hosts: a launch may demand it.'),
    hosts: z.int(),
    nodeset: z.string().describe('Names of the hosts, folded.'),
    away: z.int().describe('Of these, how many have no agent connected now.'),
    confirm: z
      .string()
      .nullable()
      .describe('Why the launch must say its number of hosts; null if it need not.'),
    shares: z.array(shareSchema).describe('Largest part first.'),
    steps: z.array(
      z.object({
        position: z.int(),
        name: z.string(),
        in: inPlanField,
        target: z.string().nullable().describe("Its own, as it was written; null: the run's, or none."),
        hosts: z.int().describe('How many; with `takes` at most so many.'),
        nodeset: z.string().describe('Names of its hosts, folded.'),
        takes: z
          .string()
          .nullable()
          .describe(
            'Which hosts of earlier steps it runs on, as `failed hosts of step 2`: known when it begins.',
          ),
        imports: z
          .array(z.string())
          .describe('What its script asks for by `job_import`: names of hosts, as a value.'),
        type: z.enum(stepTypes),
        uses: z.string().nullable(),
        language: z.string().nullable(),
        account: z.string(),
        db: signInSchema.nullable().describe('Of SQL: where it would run, and as whom.'),
        secrets: z
          .record(z.string(), z.string())
          .describe(
            'By the names under which the step gets them (SQL its password as PASSWORD): the versions that are frozen, as `db-password@3`; `******` is the value of a variable.',
          ),
        scriptSha256: z.string().nullable(),
        scriptBytes: z.int().nullable(),
        undoes: z
          .int()
          .nullable()
          .describe('Position of the step that it takes back: it runs only where somebody asks for an undo.'),
        change: z.enum(['new', 'same', 'changed']).describe('Beside the step of its name in `last`.'),
        was: z.int().nullable().describe('Position of that step.'),
        fields: z.array(z.string()).describe('What changed.'),
      }),
    ),
    variables: z
      .array(z.object({ name: z.string(), in: inPlanField, type: variableTypeField, value: valueSchema }))
      .describe(
        'With the values that the run would begin with; of a secret the version, as `{secret: db-password@3}`, or `******`.',
      ),
    removed: z.array(z.string()).describe('Steps that `last` had.'),
    last: z
      .object({ id: idField, hosts: z.int(), endedAt: timeField })
      .nullable()
      .describe('The last run of this name that succeeded.'),
    predicted: z
      .object({ medianMs: z.number(), slowestMs: z.number(), runs: z.int() })
      .nullable()
      .describe('From the latest runs of this name that succeeded.'),
  })
  .meta({ id: 'LaunchPreview' })

export const previewLaunch = operation({
  name: 'preview-launch',
  method: 'post',
  path: '/executions/preview',
  policy: 'execution.read',
  summary: 'Preview a launch',
  description:
    'Takes what a launch takes and starts nothing. It refuses what the launch would refuse, but for `confirm` and `digest`, which it tells. `secretsOf` is for those who may launch: it shows the versions that the run was given.',
  body: launchSchema,
  response: previewSchema,
  errors: launchErrors,
  async compute({ services: { pool }, caller, scope, body }) {
    if (body.secretsOf !== undefined) await mustAllow(pool, { caller, scope }, 'execution.launch')
    const launch = await compileLaunch(pool, scope.id, body)
    const { compilation, targets } = launch
    const { hosts } = targets
    const { steps } = compilation.plan
    const hostIds = hosts.map((host) => host.id)
    const [shares, groups, away, past] = await Promise.all([
      labelShares(pool, scope.id, hostIds),
      groupShares(pool, scope.id, hostIds),
      countAway(pool, scope.id, hostIds),
      listSuccesses(pool, scope.id, likeOf(body, launch)),
    ])
    const [last] = past
    const before = last && (await findPlan(pool, scope.id, last.planHash))
    const most = mostHosts(
      targets,
      steps.map((step) => hostStepOf(step)?.takes),
    )
    const stepHosts = hostsOfSteps(hosts, most)
    const { changes, removed } = compareSteps(steps, before?.steps ?? [])
    return {
      name: nameOf(body),
      digest: digestOf(launch),
      hosts: hosts.length,
      nodeset: foldNodeset(hosts.map((host) => host.name)),
      away,
      confirm: whyConfirm(hosts.length, shares) ?? null,
      shares: largest(shares, groups),
      steps: steps.map((step, position) => ({
        ...stepOf(step, position, changes[position]),
        in: visitOf(compilation.plan, step.within),
        ...(stepHosts[position] ?? noHosts),
      })),
      variables: variablesOf(compilation.plan),
      removed,
      last: last ? { id: last.id, hosts: last.hosts, endedAt: toTime(last.endedAt) } : null,
      predicted: predict(past),
    }
  },
})

/** Runs that a launch is a repeat of. A script that nobody named is like itself only. */
function likeOf(body: LaunchBody, { compilation }: CompiledLaunch) {
  const name = nameOf(body)
  return { name, planHash: name === UNNAMED ? hashPlan(compilation.plan) : undefined }
}

function variablesOf(plan: CompiledPlan) {
  const plain = plan.variables ?? []
  return [
    ...plain.map(({ name, type, value, within }) => ({ name, in: visitOf(plan, within), type, value })),
    ...secretsIn(plan).map(({ name, within, frozen }) => ({
      name,
      in: visitOf(plan, within),
      type: 'secret' as const,
      value: showFrozenValue(frozen),
    })),
  ]
}

type Share = z.input<typeof shareSchema>

function largest(
  labels: readonly LabelShare[],
  groups: readonly { group: string; targeted: number; members: number }[],
): Share[] {
  const shares = [
    ...groups.map(({ group, targeted, members }) => ({ of: `group:${group}`, targeted, hosts: members })),
    ...labels.map(({ label, targeted, carrying }) => ({ of: label, targeted, hosts: carrying })),
  ]
  return shares
    .sort((a, b) => b.targeted / b.hosts - a.targeted / a.hosts || b.targeted - a.targeted)
    .slice(0, SHARES_SHOWN)
}

const noHosts = { hosts: 0, nodeset: '' }

/** Many steps have the same hosts: their names are folded once. */
function hostsOfSteps(
  hosts: FrozenTargets['hosts'],
  steps: readonly StepHosts[],
): { hosts: number; nodeset: string }[] {
  const names = (places: StepHosts) => places.flatMap((place) => hosts[place]?.name ?? [])
  const folded = new Map([...new Set(steps)].map((places) => [places, foldNodeset(names(places))]))
  return steps.map((places) => ({ hosts: places.length, nodeset: folded.get(places) ?? '' }))
}

const noScript = {
  target: null,
  takes: null,
  imports: [],
  uses: null,
  language: null,
  account: '',
  db: null,
  secrets: {},
  scriptSha256: null,
  scriptBytes: null,
}

function stepOf(
  compiled: CompiledStep,
  position: number,
  change: StepChange = { change: 'new', was: null, fields: [] },
) {
  const { type, name } = compiled
  const step = hostStepOf(compiled)
  const undoes = undoesOf(compiled) ?? null
  if (!step) return { position, type, name, undoes, ...noScript, ...change }
  const { source, language, account, scriptSha256, scriptBytes, target = null } = step
  const takes = step.takes ? describeTakes(step.takes) : null
  const imports = importsOf(step).map((one) => one.name)
  const secrets = namesOf(step.secrets ?? {})
  const uses = source ? `${source.script}@${source.version}` : null
  const db = step.type === 'sql' ? step.db : null
  const of = { target, takes, imports, uses, language, account, db, secrets, scriptSha256, scriptBytes }
  return { position, type, name, undoes, ...of, ...change }
}

function predict(past: readonly PastRun[]) {
  const took = past.map((run) => run.tookMs).sort((a, b) => a - b)
  const medianMs = took[Math.floor(took.length / 2)]
  const slowestMs = took.at(-1)
  if (medianMs === undefined || slowestMs === undefined) return null
  return { medianMs, slowestMs, runs: took.length }
}
