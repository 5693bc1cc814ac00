/** `drover runs groups`: the hosts of a run in groups that ended the same and wrote the same, with one output of each; or by state and tag alone. */
import type { Drover, ExecutionDetail } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { connect } from './settings.js'
import { begunSteps, printGroups, summaryOf } from './summary.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface GroupsOptions {
  /** From 1, as people count. */
  step?: number
  exact?: true
  tags?: true
  json?: true
}

export async function showGroups(terminal: Terminal, run: string, options: GroupsOptions): Promise<void> {
  const drover = connect()
  const execution = await drover.execution(parseRun(run))
  const only = options.step === undefined ? undefined : options.step - 1
  if (options.tags && options.exact) throw new UsageError('--tags does not look at output: leave --exact out')
  if (options.tags) return showTags(terminal, drover, execution, { only, json: options.json })
  const summary = await summaryOf(drover, execution, options.exact ? 'output' : 'normalised', only)
  if (options.json) return terminal.json({ run: `r-${execution.id}`, steps: summary.steps })
  if (!summary.steps.length) return terminal.talk('no step has begun')
  printGroups(terminal, summary)
}

async function showTags(
  terminal: Terminal,
  drover: Drover,
  execution: ExecutionDetail,
  { only, json }: { only: number | undefined; json: true | undefined },
): Promise<void> {
  const steps = []
  for (const step of begunSteps(execution, only))
    steps.push({ step, groups: await drover.outputGroups(execution.id, step.position, 'tag') })
  if (json) return terminal.json({ run: `r-${execution.id}`, steps })
  if (!steps.length) return terminal.talk('no step has begun')
  const rows = steps.flatMap(({ step, groups }) =>
    groups.map((group) => [
      `${step.position + 1} ${harmless(step.name)}`,
      group.state,
      group.tag === null ? '-' : harmless(group.tag),
      group.hosts,
      group.nodeset,
    ]),
  )
  terminal.data(tableOf(['STEP', 'STATE', 'TAG', 'HOSTS', 'WHICH'], rows))
}
