/** `drover runs ls`, `show` and `export`. */
import type { ExecutionState, HostResult, Operation } from '../sdk/index.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { formatDuration, parseRun, SHA_SHOWN } from './values.js'

export async function listRuns(
  terminal: Terminal,
  options: { state?: string; limit: number; json?: true },
): Promise<void> {
  const states = options.state?.split(',') as ExecutionState[] | undefined
  const runs = []
  for await (const run of connect().executions(states ? { states } : {})) {
    if (runs.push({ run: `r-${run.id}`, ...run }) >= options.limit) break
  }
  if (options.json) return terminal.json({ items: runs })
  if (!runs.length) return terminal.talk("no runs yet; begin with: drover run -t '*' -- uptime")
  const rows = runs.map((run) => [
    run.run,
    run.state,
    run.name,
    run.hosts,
    run.launchedBy,
    run.createdAt,
    elapsed(run),
  ])
  terminal.data(tableOf(['RUN', 'STATE', 'NAME', 'HOSTS', 'BY', 'CREATED', 'TOOK'], rows))
}

function elapsed(run: { startedAt: string | null; endedAt: string | null }): string {
  return run.startedAt
    ? formatDuration((run.endedAt ? Date.parse(run.endedAt) : Date.now()) - Date.parse(run.startedAt))
    : '-'
}

const HOSTS_SHOWN = 20
const notWell = ['failed', 'timed_out', 'cancelled', 'rejected', 'offline', 'unknown'] as const

export async function showRun(terminal: Terminal, text: string, options: { json?: true }): Promise<void> {
  const drover = connect()
  const run = await drover.execution(parseRun(text))
  const troubled: (HostResult & { step: number })[] = []
  for (const step of run.steps) {
    if (!notWell.some((state) => step.counts[state])) continue
    for await (const host of drover.executionHosts(run.id, step.position, { states: notWell })) {
      if (troubled.push({ ...host, step: step.position + 1 }) >= 1_000) break
    }
  }
  if (options.json) return terminal.json({ run: `r-${run.id}`, ...run, troubled })
  terminal.data(
    terminal.tone(
      'strong',
      `r-${run.id} ${harmless(run.name)}: ${run.state}${run.reason ? ` (${run.reason})` : ''}`,
    ),
  )
  terminal.data(
    `by ${run.launchedBy} · ${run.createdAt} · took ${elapsed(run)} · target ${targetText(run.target || 'of each step its own')}`,
  )
  if (run.links.temporal) terminal.data(run.links.temporal)
  const own = run.steps.some((step) => step.target !== null)
  const counts = (step: (typeof run.steps)[number]) =>
    Object.entries(step.counts)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ')
  terminal.data(
    tableOf(
      ['STEP', 'NAME', 'SCRIPT', 'STATE', 'HOSTS', ...(own ? ['TARGET'] : [])],
      run.steps.map((step) => [
        step.position + 1,
        step.name,
        step.uses,
        step.state,
        counts(step),
        ...(own ? [step.target === null ? '-' : targetText(step.target)] : []),
      ]),
    ),
  )
  const operations = await drover.operations(run.id)
  if (operations.length) terminal.data(operationTable(operations))
  if (!troubled.length) return
  // Which text an attempt ran is a question only where there were several.
  const again = troubled.some((host) => host.attempt > 1)
  const rows = troubled
    .slice(0, HOSTS_SHOWN)
    .map((host) => [
      host.step,
      host.hostName,
      host.state,
      host.exitCode,
      host.reason,
      host.detail?.split('\n')[0]?.slice(0, 80) ?? null,
      ...(again ? [host.attempt, host.scriptSha256.slice(0, SHA_SHOWN)] : []),
    ])
  const more = again ? ['ATTEMPT', 'SCRIPT'] : []
  terminal.data(tableOf(['STEP', 'HOST', 'STATE', 'EXIT', 'REASON', 'DETAIL', ...more], rows))
  if (troubled.length > HOSTS_SHOWN) terminal.data(`… and ${troubled.length - HOSTS_SHOWN} more; see --json`)
}

/** Its first line. */
const targetText = (target: string) => harmless(target.split('\n')[0] ?? '')

const OPERATIONS_SHOWN = 20

/** The newest: who did what, when and why. */
function operationTable(operations: readonly Operation[]): string {
  const rows = operations
    .slice(-OPERATIONS_SHOWN)
    .map(({ kind, args, by, state, reason, createdAt }) => [
      createdAt,
      by,
      kind,
      argsText(args),
      state,
      harmless(args.why ?? reason ?? ''),
    ])
  return tableOf(['WHEN', 'BY', 'OPERATION', 'OF', 'STATE', 'WHY'], rows)
}

const HOSTS_NAMED = 5

function argsText(args: Operation['args']): string {
  const { hard, all, step, hosts, scriptSha256, unknownHosts, includeUnknown } = args
  const named = hosts?.slice(0, HOSTS_NAMED).join(',')
  return [
    step === undefined ? '' : `step ${step + 1}`,
    hosts
      ? harmless(
          hosts.length > HOSTS_NAMED ? `${named} and ${hosts.length - HOSTS_NAMED} more` : (named ?? ''),
        )
      : '',
    hard ? 'hard' : '',
    all ? 'all hosts' : '',
    unknownHosts === undefined ? '' : `${includeUnknown === false ? 'without ' : ''}${unknownHosts} unknown`,
    scriptSha256 ? `script ${scriptSha256.slice(0, SHA_SHOWN)}` : '',
  ]
    .filter(Boolean)
    .join(', ')
}

export async function exportRun(
  terminal: Terminal,
  text: string,
  { format }: { format: 'jsonl' | 'csv' },
): Promise<void> {
  for await (const rows of connect().exportResults(parseRun(text), format))
    terminal.raw(terminal.interactive ? harmless(Buffer.from(rows).toString()) : rows)
}
