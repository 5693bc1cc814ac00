/** Secrets of a step on their way to its hosts: opened here, and sealed for each host before anything leaves the worker. */
import { createSender, encrypt, pointId } from '../base/sealed-box.js'
import type { HostId, StepExecutionId } from '../domain/id.js'
import type { FrozenSecret } from '../domain/secret.js'
import { dispatchId, type SealRecipient, sealSecrets } from '../proto/index.js'
import { listHostKeys } from '../store/postgres/certificates.js'
import type { Db } from '../store/postgres/pool.js'
import { listGivenSecrets } from '../store/postgres/secrets.js'
import { endHosts } from '../store/postgres/ledger.js'
import { listOpenShards } from '../store/postgres/looks.js'
import type { OpenHost } from '../store/postgres/shards.js'
import type { ControlDependencies } from './dependencies.js'
import type { Key as ExecutionKey } from './owner.js'

// A shard is one row, and a gateway holds all of it.
const SHARD_MAX_BYTES = 16 << 20
// Of all shards of a step that are open at once.
const STEP_MAX_BYTES = 256 << 20

type Key = ExecutionKey & { stepExecutionId: StepExecutionId }

export interface StepSecrets {
  /** How many hosts may have theirs under way at once, and in one shard: large values are not given to thousands at once. */
  hostLimit: number
  shardLimit: number
  /** Why this host cannot be given them; undefined if it can. */
  refusal(hostId: HostId): 'secret_unavailable' | 'secret_key_unknown' | undefined
  /** Sealed for one dispatch; empty where the host cannot be given them: its order then only asks what became of the task. */
  sealFor(hostId: HostId, dispatchId: Buffer): Buffer
}

/** What a step's hosts are to be given; undefined if that is nothing. */
export async function openStepSecrets(
  tx: Db,
  { vault }: ControlDependencies,
  of: { key: Key; secrets: Record<string, FrozenSecret> | undefined; hosts: readonly OpenHost[] },
): Promise<StepSecrets | undefined> {
  const { key, secrets, hosts } = of
  if (!secrets) return undefined
  const { scopeId } = key
  const frozen = Object.entries(secrets)
  const stored = await listGivenSecrets(
    tx,
    scopeId,
    frozen.map(([, { id }]) => id),
  )
  const byId = new Map(stored.map((version) => [version.id, version]))
  const values = new Map<string, Buffer>()
  for (const [name, { id }] of frozen) {
    const version = byId.get(id)
    const value = version && vault.open(version)
    if (value) values.set(name, value)
  }
  // All of them or none: a script that gets some of what it needs may do half of what it should.
  const complete = values.size === frozen.length
  const keys = complete
    ? await listHostKeys(
        tx,
        scopeId,
        hosts.map(({ hostId }) => hostId),
      )
    : new Map<HostId, Buffer[]>()
  const hostBytes = [...values.values()].reduce((sum, value) => sum + value.length + 512, 1_024)
  const { close } = createSender()
  return {
    hostLimit: Math.max(1, Math.floor(STEP_MAX_BYTES / hostBytes)),
    shardLimit: Math.max(1, Math.floor(SHARD_MAX_BYTES / hostBytes)),
    refusal(hostId) {
      if (!complete) return 'secret_unavailable'
      return keys.has(hostId) ? undefined : 'secret_key_unknown'
    },
    sealFor(hostId, dispatchId) {
      const points = keys.get(hostId)
      if (!points) return Buffer.alloc(0)
      const recipients = points.map(
        (point): SealRecipient => ({
          keyId: pointId(point),
          close: (context, plain) => close(point, context, plain),
        }),
      )
      return sealSecrets({ dispatchId, recipients, values }, encrypt)
    },
  }
}

/** How many more hosts may have theirs under way. */
export async function roomFor(tx: Db, key: Key, secrets: StepSecrets | undefined): Promise<number> {
  if (!secrets) return Number.POSITIVE_INFINITY
  const open = await listOpenShards(tx, key)
  return secrets.hostLimit - open.reduce((sum, shard) => sum + shard.hosts, 0)
}

/**
 * Ends hosts that cannot be given the step's secrets, if they were sent nothing yet. Of the others an order without secrets
 * asks what became of the task: an agent that knows it says so, and one that does not refuses it.
 * @returns the hosts that were ended
 */
export async function rejectWithout(
  tx: Db,
  key: Key,
  secrets: StepSecrets,
  hosts: readonly OpenHost[],
): Promise<ReadonlySet<HostId>> {
  const ends = hosts.flatMap(({ hostId, attempt, state }) => {
    const reason = state === 'pending' ? secrets.refusal(hostId) : undefined
    return reason ? [{ hostId, attempt, state: 'rejected', started: 'no', reason } as const] : []
  })
  await endHosts(tx, key, ends)
  return new Set(ends.map(({ hostId }) => hostId))
}

// A host costs a quarter of a millisecond: everything else of the worker has its turn between some of them.
const SEALED_AT_ONCE = 50

/** What each of the hosts is given, in their order; undefined if the step has no secrets. */
export async function sealAll(
  secrets: StepSecrets | undefined,
  { stepExecutionId }: Key,
  hosts: readonly OpenHost[],
): Promise<Buffer[] | undefined> {
  if (!secrets) return undefined
  const sealed: Buffer[] = []
  for (const { hostId, attempt } of hosts) {
    sealed.push(secrets.sealFor(hostId, dispatchId(stepExecutionId, attempt, hostId)))
    if (sealed.length % SEALED_AT_ONCE === 0) await new Promise(setImmediate)
  }
  return sealed
}
