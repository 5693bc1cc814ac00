/** `drover runs groups`: the hosts of a run in groups that ended the same and wrote the same, with one output of each. */
import { connect } from './settings.js'
import { printGroups, summaryOf } from './summary.js'
import type { Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface GroupsOptions {
  /** From 1, as people count. */
  step?: number
  exact?: true
  json?: true
}

export async function showGroups(terminal: Terminal, run: string, options: GroupsOptions): Promise<void> {
  const drover = connect()
  const execution = await drover.execution(parseRun(run))
  const only = options.step === undefined ? undefined : options.step - 1
  const summary = await summaryOf(drover, execution, options.exact ? 'output' : 'normalised', only)
  if (options.json) return terminal.json({ run: `r-${execution.id}`, steps: summary.steps })
  if (!summary.steps.length) return terminal.talk('no step has begun')
  printGroups(terminal, summary)
}
