/** `drover runs verdicts`: all that was said of one host in a step, and in what takes that step back. */
import { type Drover, DroverError, type Step, type Verdict } from '../sdk/index.js'
import { findHost } from './find-host.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { parseRun, SHA_SHOWN } from './values.js'

export async function showVerdicts(
  terminal: Terminal,
  run: string,
  hostText: string,
  options: { step: number; json?: true },
): Promise<void> {
  const drover = connect()
  const executionId = parseRun(run)
  const position = options.step - 1
  const host = await findHost(drover, { executionId, steps: [position] }, hostText)
  const items = await drover.verdicts(executionId, position, host.hostId)
  const { steps } = await drover.execution(executionId)
  const step = steps.find(({ undoes }) => undoes === position)
  const undo = step && { step, items: await undoVerdicts(drover, { executionId, step, hostId: host.hostId }) }
  if (options.json)
    return terminal.json({ run: `r-${executionId}`, host: host.hostName, items, ...(undo ? { undo } : {}) })
  terminal.data(verdictTable(items))
  if (!undo?.items.length) return
  terminal.data(terminal.tone('strong', `step ${undo.step.position + 1} ${harmless(undo.step.name)}`))
  terminal.data(verdictTable(undo.items))
}

/** None of a host on which there was nothing to undo. */
async function undoVerdicts(
  drover: Drover,
  of: { executionId: string; step: Step; hostId: string },
): Promise<Verdict[]> {
  return drover.verdicts(of.executionId, of.step.position, of.hostId).catch((error: unknown) => {
    if (error instanceof DroverError && error.code === 'host_unknown') return []
    throw error
  })
}

function verdictTable(items: readonly Verdict[]): string {
  const rows = items.map((verdict) => [
    verdict.attempt,
    verdict.at ?? '-',
    verdict.amended ? `${verdict.state} (amended)` : verdict.state,
    verdict.exitCode,
    verdict.reason,
    verdict.scriptSha256.slice(0, SHA_SHOWN),
  ])
  return tableOf(['ATTEMPT', 'AT', 'STATE', 'EXIT', 'REASON', 'SCRIPT'], rows)
}
