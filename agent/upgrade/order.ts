/** Reading upgrade orders: nothing of one is believed before its signature, and the host's policy has the last word. */
import { arch, platform } from 'node:os'
import { type UpgradeAgent, UpgradeOrder, verifyUpgrade } from '../../proto/index.js'
import type { PolicyState } from '../policy.js'
import type { SigningKeys } from '../task/order.js'
import { type Refusal, refuse } from '../task/refusal.js'

/** The order, or undefined when it is not authentic or no order at all. */
export function readUpgrade(upgrade: UpgradeAgent, keys: SigningKeys): UpgradeOrder | undefined {
  const key = keys.get(upgrade.keyId)
  try {
    if (!key || !verifyUpgrade(upgrade, key)) return undefined
    const order = UpgradeOrder.decode(upgrade.order)
    return order.bundleSha256.length === 32 ? order : undefined
  } catch {
    return undefined
  }
}

export interface UpgradeContext {
  hostId: string
  /** The server's clock as this agent knows it, ms since the epoch. */
  serverNowMs: number
  /** When the last order that this host obeyed was issued, by the server's clock; 0 if there was none. */
  lastIssuedAtMs: number
  isStopped: boolean
  policy: PolicyState
}

/** Why an authentic order is not obeyed, if so. */
export function checkUpgrade(order: UpgradeOrder, context: UpgradeContext): Refusal | undefined {
  if (order.hostId.toString() !== context.hostId)
    return refuse('order_wrong_host', `the order is for host ${order.hostId}, this is host ${context.hostId}`)
  if (Number(order.expiresAtMs) <= context.serverNowMs)
    return refuse('order_expired', 'the order arrived after its expiry; order it again')
  if (Number(order.issuedAtMs) <= context.lastIssuedAtMs)
    return refuse('order_superseded', 'this host has obeyed an upgrade that was ordered later')
  if (!['any', platform(), `${platform()}-${arch()}`].includes(order.platform))
    return refuse(
      'bundle_wrong_platform',
      `the bundle is for ${order.platform}, this is ${platform()}-${arch()}`,
    )
  if (context.isStopped)
    return refuse('stopped_by_file', 'a stop file on the host refuses all new work; remove it there to go on')
  if (!context.policy.readable)
    return refuse('policy_unreadable', `the host's policy file cannot be trusted: ${context.policy.problem}`)
  const { capabilities } = context.policy.policy
  if (capabilities && !capabilities.includes('upgrade'))
    return refuse('policy_refused', 'capability "upgrade" is not allowed on this host')
  return undefined
}
