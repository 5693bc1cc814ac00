/** Secrets of a task: checked against the signed order, opened with the host's keys, and known again for as long as output must be masked. */
import { decrypt } from '../../base/sealed-box.js'
import { type Dispatch, type DispatchOrder, openSecrets, sha256, type TaskSpec } from '../../proto/index.js'
import type { HostKeys } from '../identity/host-keys.js'
import type { Intent } from '../journal/records.js'
import { type Mask, maskAll, maskOf } from '../output/mask.js'
import { type Refusal, refuse } from './refusal.js'

type Task = NonNullable<TaskSpec['task']>
export type SecretValues = ReadonlyMap<string, Buffer>

/** Whether what came with an order is what was sealed for it; nothing is opened. */
export function checkSealed(dispatch: Dispatch, order: DispatchOrder, task: Task): Refusal | undefined {
  if (!task.value.secrets.length) return undefined
  if (!order.secretsSha256.length) {
    return refuse(
      'secret_unavailable',
      'a secret of the step was disabled or destroyed since the launch, or the key of this host is not known; launch again',
    )
  }
  if (sha256(dispatch.secrets).equals(order.secretsSha256)) return undefined
  return refuse(
    'order_secrets_mismatch',
    'the secrets that came with the order are not those that were signed; look at the gateway that relayed it, and at its version',
  )
}

/** The values of an order that was checked; undefined where its task has none. */
export function openSealed(
  dispatch: Dispatch,
  order: DispatchOrder,
  task: Task,
  keys: HostKeys,
): SecretValues | undefined | Refusal {
  const wrong = checkSealed(dispatch, order, task)
  if (wrong || !task.value.secrets.length) return wrong
  const names = task.value.secrets
  try {
    const values = open(order.dispatchId, dispatch.secrets, keys)
    const isComplete = values.size === names.length && names.every((name) => values.has(name))
    if (isComplete) return values
  } catch {
    // Which byte of it was wrong is nobody's business.
  }
  return refuse(
    'secret_unreadable',
    'the secrets of the step are not sealed to a key that this host has; wait for its certificate to be renewed, or let it join anew',
  )
}

/** What must not be seen of a task's output. An earlier life of the agent has opened the same once: where that fails, all of it. */
export function maskOfIntent(intent: Intent | undefined, taskId: string, keys: HostKeys): Mask | undefined {
  if (intent?.secrets === undefined) return undefined
  try {
    const values = open(Buffer.from(taskId, 'hex'), Buffer.from(intent.secrets, 'base64'), keys)
    return maskOf(values.values())
  } catch {
    return maskAll
  }
}

function open(dispatchId: Buffer, sealed: Buffer, keys: HostKeys): SecretValues {
  return openSecrets(dispatchId, sealed, {
    open: (keyId, context, box) => keys.open(keyId, context, box),
    decrypt,
  })
}
