/** `drover runs verdicts`: all that was said of one host in a step. */
import { findHost } from './find-host.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import type { Terminal } from './terminal.js'
import { parseRun, SHA_SHOWN } from './values.js'

export async function showVerdicts(
  terminal: Terminal,
  run: string,
  hostText: string,
  options: { step: number; json?: true },
): Promise<void> {
  const drover = connect()
  const executionId = parseRun(run)
  const host = await findHost(drover, { executionId, steps: [options.step - 1] }, hostText)
  const items = await drover.verdicts(executionId, options.step - 1, host.hostId)
  if (options.json) return terminal.json({ run: `r-${executionId}`, host: host.hostName, items })
  const rows = items.map((verdict) => [
    verdict.attempt,
    verdict.at ?? '-',
    verdict.amended ? `${verdict.state} (amended)` : verdict.state,
    verdict.exitCode,
    verdict.reason,
    verdict.scriptSha256.slice(0, SHA_SHOWN),
  ])
  terminal.data(tableOf(['ATTEMPT', 'AT', 'STATE', 'EXIT', 'REASON', 'SCRIPT'], rows))
}
