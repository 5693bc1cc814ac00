/** What a gateway tells of itself. What an alert asks of each number is in docs/operations/alerts.md. */
import type { Gateway } from '../gateway/gateway.js'
import { counterBy, gauge, gaugeBy } from './metrics.js'

/** Registers the metrics; they are read when somebody scrapes. */
export function registerGatewayMetrics({ sessions, answers, ledger, output }: Gateway): void {
  gauge('drover_gateway_sessions', 'Live agent sessions', () => sessions.size)
  gaugeBy(
    'quantile',
    'drover_gateway_answer_seconds',
    "From sending an order to the agent's word that it is on its disk, of orders since the last look",
    async () => answers.read(),
  )
  gauge('drover_gateway_ledger_queue', 'Host updates waiting for the ledger', () => ledger.depth)
  gauge(
    'drover_gateway_ledger_blocked_seconds',
    'How long the ledger has not taken what waits for it',
    () => ledger.blockedMs / 1000,
  )
  counterBy(
    'outcome',
    'drover_gateway_updates_total',
    'Host updates: written, unchanged (late, repeated or outdated), dropped (refused by the database)',
    () => ledger.counts,
  )
  gauge(
    'drover_gateway_output_bytes',
    'Output waiting to be stored, bytes, each piece with 1 KiB for what it takes beside them',
    () => output.waitingBytes,
  )
  gauge(
    'drover_gateway_output_blocked_seconds',
    'How long the store of output has not taken what waits for it',
    () => output.blockedMs / 1000,
  )
}
