/** A shard's orders, signed: each host's for exactly the text that its attempt runs, whoever asks and however often. */
import type { ShardId, StepExecutionId } from '../domain/id.js'
import { sha256 } from '../proto/index.js'
import type { Execution } from '../store/postgres/executions.js'
import type { Db } from '../store/postgres/pool.js'
import { findScriptBytes } from '../store/postgres/scripts.js'
import { insertShard, type OpenHost } from '../store/postgres/shards.js'
import type { ControlDependencies } from './dependencies.js'
import type { Key } from './owner.js'
import type { FilledStep } from './fill-step.js'
import type { Task } from './prepare-task.js'
import { encodeSpec } from './signer.js'
import { hostInputs } from './step-inputs.js'
import { sealAll, type StepSecrets } from './step-secrets.js'

export interface ShardFacts {
  key: Key & { stepExecutionId: StepExecutionId }
  execution: Execution
  task: Task
  secrets: StepSecrets | undefined
  gateway: string
  /** All of one text. */
  hosts: OpenHost[]
  hostLimit: number
  at: Date
}

export async function signShard(
  tx: Db,
  { signer }: ControlDependencies,
  facts: ShardFacts,
): Promise<ShardId> {
  const { key, execution, hosts } = facts
  const sealed = await sealAll(facts.secrets, key, hosts)
  const spec = encodeSpec(await stepOf(tx, facts), facts.task.inputs)
  const own = await ownValues(tx, facts)
  // A host that was sent nothing yet may have a new journal; once an order was sent, only that journal may answer it.
  const journalIds = hosts.map((host) =>
    host.state === 'pending' ? (host.hostJournalId ?? '') : (host.journalId ?? host.hostJournalId ?? ''),
  )
  const signed = hosts.map((host, index) =>
    signer.signDispatch(
      {
        ...key,
        attempt: host.attempt,
        hostId: host.hostId,
        journalId: journalIds[index] ?? '',
        issuedAt: facts.at,
        expiresAt: execution.expiresAt,
        outputDay: execution.outputDay,
        variables: own.get(host.hostId) ?? [],
        secretsSha256: hashOf(sealed?.[index]),
      },
      spec,
    ),
  )
  return insertShard(tx, {
    ...key,
    gateway: facts.gateway,
    hostLimit: facts.hostLimit,
    hostIds: hosts.map((host) => host.hostId),
    journalIds,
    orders: signed.map(({ order }) => order),
    signatures: signed.map(({ signature }) => signature),
    keyId: signer.keyId,
    spec,
    secrets: sealed,
  })
}

const hashOf = (sealed: Buffer | undefined) => (sealed?.length ? sha256(sealed) : undefined)

const ownValues = (tx: Db, { key, task: { plan, position, sees }, hosts }: ShardFacts) =>
  hostInputs(tx, key, plan, {
    hostIds: hosts.map((host) => host.hostId),
    within: plan.steps[position]?.within,
    before: sees,
  })

/** The step, with the text that an operation has put in the place of the plan's for these attempts. */
async function stepOf(tx: Db, { key, task: { step }, hosts }: ShardFacts): Promise<FilledStep> {
  const texts = new Set(hosts.map((host) => host.scriptSha256))
  if (texts.size !== 1) throw new Error(`a shard of step ${key.stepExecutionId} would run several texts`)
  const [scriptSha256] = texts
  if (!scriptSha256) return step
  const scriptBytes = await findScriptBytes(tx, key.scopeId, scriptSha256)
  if (scriptBytes === undefined) throw new Error(`the text of script ${scriptSha256} is not kept`)
  return { ...step, scriptSha256, scriptBytes }
}
