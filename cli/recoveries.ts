/** `drover recoveries ls | resume`. */
import { connect } from './settings.js'
import { tableOf } from './table.js'
import type { Terminal } from './terminal.js'

interface Json {
  json?: true
}

export async function listRecoveries(terminal: Terminal, options: Json): Promise<void> {
  const { items, heldRuns } = await connect().recoveries()
  if (options.json) return terminal.json({ items, heldRuns })
  if (!items.length) return terminal.talk('the database was never put back')
  const rows = items.map((item) => [item.id, item.at, item.cause, item.name, item.releasedAt])
  terminal.data(tableOf(['RECOVERY', 'AT', 'SHOWN BY', 'NAME', 'LAUNCHES RUN SINCE'], rows))
  if (heldRuns) {
    terminal.talk(
      `${heldRuns} ${heldRuns === 1 ? 'run is' : 'runs are'} held: look at them with drover runs ls --state paused, then resume or cancel each, or all with drover recoveries resume`,
    )
  }
}

export async function resumeRecovered(terminal: Terminal, options: Json): Promise<void> {
  const drover = connect()
  let resumed = 0
  for (;;) {
    const answer = await drover.resumeRecovered()
    resumed += answer.resumed
    if (!answer.left || !answer.resumed) break
  }
  if (options.json) return terminal.json({ resumed })
  terminal.talk(`${resumed} ${resumed === 1 ? 'run goes' : 'runs go'} on, and new launches run`)
}
