/** The fleet as a worker's metrics show it. Every worker shows the same: alerts take the greatest. */
import type { Logger } from '../base/logger.js'
import { countFleet, type FleetCounts } from '../store/postgres/fleet-counts.js'
import type { Pool } from '../store/postgres/pool.js'
import { gauge, gaugeBy } from './metrics.js'

// One look serves all gauges of a scrape, and scrapes of several collectors.
const KEPT_MS = 5_000

/** What an alert asks of each number is in docs/operations/alerts.md. */
const numbers: [name: string, help: string, pick: (counts: FleetCounts) => number][] = [
  [
    'drover_execution_unclaimed_seconds',
    'Age of the oldest execution that no workflow has taken up',
    (counts) => counts.unclaimedSeconds,
  ],
  [
    'drover_hosts_asking',
    'Hosts whose script may be running while nobody hears from them',
    (counts) => counts.asking,
  ],
  [
    'drover_stop_unsigned_seconds',
    'Age of the oldest stop that no worker has signed',
    (counts) => counts.unsignedStopSeconds,
  ],
  [
    'drover_certificate_unanswered_seconds',
    'Age of the oldest certificate request without an answer',
    (counts) => counts.unansweredCertificateSeconds,
  ],
  [
    'drover_certificates_ending',
    'Connected hosts whose certificate ends within a day',
    (counts) => counts.certificatesEnding,
  ],
]

const tables: [
  label: string,
  name: string,
  help: string,
  pick: (counts: FleetCounts) => Record<string, number>,
][] = [
  ['state', 'drover_hosts', 'Hosts that are not revoked', (counts) => counts.hosts],
  ['condition', 'drover_host_conditions', 'Hosts that report a condition', (counts) => counts.conditions],
  ['state', 'drover_executions_open', 'Executions without an end', (counts) => counts.executions],
]

/** Registers the gauges; the database is asked only when somebody scrapes. While it is away they are not a number. */
export function registerFleetGauges(pool: Pool, logger: Logger): void {
  let looked: { at: number; counts: Promise<FleetCounts | undefined> } | undefined
  const look = () => {
    if (!looked || Date.now() - looked.at > KEPT_MS) {
      const counts = countFleet(pool).catch((err) => {
        logger.warn({ err }, 'the fleet cannot be counted; its metrics are left out')
        return undefined
      })
      looked = { at: Date.now(), counts }
    }
    return looked.counts
  }
  for (const [name, help, pick] of numbers)
    gauge(name, help, async () => {
      const counts = await look()
      return counts ? pick(counts) : Number.NaN
    })
  for (const [label, name, help, pick] of tables)
    gaugeBy(label, name, help, async () => {
      const counts = await look()
      return counts ? pick(counts) : {}
    })
}
