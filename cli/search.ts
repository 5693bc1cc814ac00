/** `drover runs search`: the lines that match in everything that a run's hosts wrote. */
import type { Drover, SearchHit, SearchHits } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { findHost, placeIn } from './find-host.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { formatBytes, parseRun } from './values.js'

interface SearchOptions {
  regex?: true
  ignoreCase?: true
  /** From 1, as people count. */
  step?: number
  host?: string
  count?: true
  limit: number
  json?: true
}

export async function search(
  terminal: Terminal,
  run: string,
  text: string,
  options: SearchOptions,
): Promise<void> {
  const drover = connect()
  const executionId = parseRun(run)
  const execution = await drover.execution(executionId)
  const { steps } = execution
  if (options.step !== undefined && options.step > steps.length)
    throw new UsageError(`r-${executionId} has no step ${options.step}`, exitCodes.notFound)
  const query = {
    text,
    regex: options.regex,
    ignoreCase: options.ignoreCase,
    step: options.step === undefined ? undefined : options.step - 1,
    hostId: options.host && (await findHost(drover, placeIn(execution, options.step), options.host)).hostId,
  }
  const searched = new Searched(terminal)
  const { items, lines } = options.count
    ? await printCounts(terminal, drover.countMatches(executionId, query), searched, options)
    : await printHits(
        terminal,
        drover.searchOutput(executionId, { ...query, limit: Math.min(options.limit, 1_000) }),
        searched,
        { ...options, several: steps.length > 1 },
      )
  if (options.json) terminal.json({ run: `r-${executionId}`, items, searched: searched.sums })
  else searched.say(lines)
  if (!items.length) process.exitCode = exitCodes.notFound
}

async function printHits(
  terminal: Terminal,
  pages: ReturnType<Drover['searchOutput']>,
  searched: Searched,
  { limit, json, several }: SearchOptions & { several: boolean },
): Promise<{ items: SearchHit[]; lines: number }> {
  const items: SearchHit[] = []
  for await (const page of pages) {
    searched.add(page)
    for (const hit of page.items.slice(0, limit - items.length)) {
      items.push(hit)
      if (!json) terminal.data(lineOf(terminal, hit, several))
    }
    if (items.length < limit) continue
    if (page.next && !json) terminal.talk(`… the first ${limit}; more with --limit, or --count`)
    break
  }
  return { items, lines: items.length }
}

function lineOf(terminal: Terminal, hit: SearchHit, several: boolean): string {
  const { step, hostName, stream, line, before, match, after } = hit
  const place = `${several ? `step ${step + 1}:` : ''}${hostName}:${stream === 'stderr' ? 'stderr:' : ''}${line}:`
  return `${terminal.tone('quiet', place)} ${harmless(before)}${terminal.tone('bad', harmless(match))}${harmless(after)}`
}

async function printCounts(
  terminal: Terminal,
  pages: ReturnType<Drover['countMatches']>,
  searched: Searched,
  { json }: SearchOptions,
) {
  const items = []
  for await (const page of pages) {
    searched.add(page)
    items.push(...page.items)
  }
  const rows = items.map((item) => [item.step + 1, item.hostName, item.lines])
  if (!json && rows.length) terminal.data(tableOf(['STEP', 'HOST', 'LINES'], rows))
  return { items, lines: items.reduce((sum, item) => sum + item.lines, 0) }
}

/** How far a search has come, for whoever waits for it. */
class Searched {
  readonly sums = { hosts: 0, bytes: 0, open: 0 }
  private readonly terminal: Terminal

  constructor(terminal: Terminal) {
    this.terminal = terminal
  }

  add({ searched }: Pick<SearchHits, 'searched'>): void {
    this.sums.hosts += searched.hosts
    this.sums.bytes += searched.bytes
    this.sums.open += searched.open
    this.terminal.progress(`searched ${this.place}…`)
  }

  say(found: number): void {
    const what = found ? `${found} ${found === 1 ? 'line' : 'lines'}` : 'nothing found'
    this.terminal.talk(`${what}: searched ${this.place}`)
    if (this.sums.open) this.terminal.talk(`${this.sums.open} of these hosts may still write more`)
  }

  private get place(): string {
    return `${formatBytes(this.sums.bytes)} of ${this.sums.hosts} hosts`
  }
}
