/** `drover runs undo --preview`: which scripts would run, on which hosts, before anything does. */
import type { UndoPreview } from '../sdk/index.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { parseRun, SHA_SHOWN } from './values.js'

export async function showUndo(terminal: Terminal, run: string, options: { json?: true }): Promise<void> {
  const preview = await connect().previewUndo(parseRun(run))
  if (options.json) return terminal.json({ preview })
  const { steps, without, later, refusal } = preview
  const rows = steps.map((step) => [
    step.position + 1,
    step.name,
    step.uses ?? step.scriptSha256.slice(0, SHA_SHOWN),
    step.account || null,
    hostsText(step),
    hostsText(step.unknown),
  ])
  if (rows.length) terminal.data(tableOf(['STEP', 'NAME', 'SCRIPT', 'AS', 'HOSTS', 'UNKNOWN'], rows))
  for (const step of without)
    terminal.data(
      `step ${step.position + 1} ${harmless(step.name)} says nothing of how it is undone: what it did stays`,
    )
  for (const { id, name, hosts, createdAt } of later)
    terminal.data(
      terminal.tone('warn', `r-${id} ${harmless(name)} ran on ${hosts} of these hosts later (${createdAt})`),
    )
  terminal.talk(refusal === null ? 'nothing was started' : `an undo would be refused: ${refusal}`)
}

const hostsText = ({ hosts, nodeset }: Pick<UndoPreview['steps'][number], 'hosts' | 'nodeset'>) =>
  hosts ? `${hosts}: ${nodeset}` : null
