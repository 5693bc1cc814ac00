/** Reading orders: nothing of a dispatch is believed before its signature, and every doubt has a code. */
import type { KeyObject } from 'node:crypto'
import {
  type CancelTask,
  type Dispatch,
  DispatchOrder,
  StopOrder,
  sha256,
  TaskSpec,
  verifyOrder,
} from '../../proto/index.js'
import { type Refusal, refuse } from './refusal.js'

export type SigningKeys = Map<string, KeyObject>

interface Signed {
  order: Buffer
  signature: Buffer
  keyId: string
}

/** The order in a dispatch and whether a known key signed it; undefined order when the bytes are no order at all. */
export function readDispatch(
  dispatch: Signed,
  keys: SigningKeys,
): { order: DispatchOrder | undefined; authentic: boolean } {
  const authentic = isAuthentic(dispatch, keys)
  const order = decode(() => DispatchOrder.decode(dispatch.order))
  return { order: order?.dispatchId.length === 32 ? order : undefined, authentic }
}

/** The stop order in a cancel, or undefined when it is not authentic. */
export function readStop(cancel: CancelTask, keys: SigningKeys): StopOrder | undefined {
  return isAuthentic(cancel, keys) ? decode(() => StopOrder.decode(cancel.order)) : undefined
}

/** Whether a stop order reaches a task: same execution, and ordered after it. */
export function stopApplies(stop: StopOrder, order: DispatchOrder): boolean {
  return (
    stop.scopeId === order.scopeId &&
    stop.executionId === order.executionId &&
    stop.issuedAtMs > order.issuedAtMs
  )
}

export interface OrderContext {
  hostId: string
  journalId: string
  /** The server's clock as this agent knows it, ms since the epoch. */
  serverNowMs: number
}

/** Checks what an authentic order says of itself: when, where, and what. */
export function checkOrder(
  dispatch: Dispatch,
  order: DispatchOrder,
  context: OrderContext,
): Refusal | undefined {
  if (order.hostId.toString() !== context.hostId) {
    return refuse('order_wrong_host', `the order is for host ${order.hostId}, this is host ${context.hostId}`)
  }
  if (order.journalId !== context.journalId) {
    const detail = `the order was made for journal ${order.journalId || '(none)'}, this host now has ${context.journalId}: its spool was replaced; retry the step`
    return refuse('order_wrong_journal', detail)
  }
  if (Number(order.expiresAtMs) <= context.serverNowMs) {
    return refuse('order_expired', 'the order arrived after its expiry; retry the step')
  }
  if (!sha256(dispatch.spec).equals(order.specSha256)) {
    return refuse(
      'order_spec_mismatch',
      'the task is not the one that was signed; look at the gateway that relayed it',
    )
  }
  return undefined
}

/** The task of an order; undefined when the bytes are none. An unknown kind gives a spec with no task. */
export function decodeSpec(bytes: Uint8Array): TaskSpec | undefined {
  return decode(() => TaskSpec.decode(bytes))
}

function isAuthentic(signed: Signed, keys: SigningKeys): boolean {
  const key = keys.get(signed.keyId)
  return key !== undefined && decode(() => verifyOrder(signed, key)) === true
}

function decode<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
