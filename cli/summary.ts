/** What came of a run: each step's hosts in groups of equal output, folded. */
import {
  type Drover,
  type ExecutionDetail,
  foldLines,
  type FoldedLine,
  type Grouping,
  type OutputGroup,
  type Step,
} from '../sdk/index.js'
import { harmless, type Terminal } from './terminal.js'
import { formatDuration } from './values.js'

/** Groups whose output is fetched; more are only counted. */
const GROUPS_MAX = 20
/** Of each group's output, from its begin. */
const OUTPUT_BYTES = 256 * 1024

export interface SummaryGroup extends OutputGroup {
  stdout: string
  stderr: string
  /** Both, normalised; only where groups are compared so. */
  normalised?: string
  /** Whether there is more than was fetched. */
  cut: boolean
}

export interface StepGroups {
  step: Step
  groups: SummaryGroup[]
  moreGroups: number
}

export interface Summary {
  execution: ExecutionDetail
  steps: StepGroups[]
}

/** Steps that have something to show. @param only position of the one that is wanted */
export const begunSteps = ({ steps }: ExecutionDetail, only: number | undefined): Step[] =>
  steps.filter(
    ({ state, position }) =>
      state !== 'pending' && state !== 'skipped' && (only === undefined || position === only),
  )

/** @param only position of the one step that is wanted */
export async function summaryOf(
  drover: Drover,
  execution: ExecutionDetail,
  by: Grouping = 'normalised',
  only?: number,
): Promise<Summary> {
  const steps = []
  for (const step of begunSteps(execution, only)) {
    const { groups, total } = await drover.outputGroupsPage(execution.id, step.position, {
      by,
      limit: GROUPS_MAX,
    })
    // Without a second group nothing is compared.
    const normalised = by === 'normalised' && groups.length > 1
    const shown = await Promise.all(
      groups.map((group) =>
        withOutput(drover, { executionId: execution.id, step: step.position }, group, normalised),
      ),
    )
    steps.push({ step, groups: shown, moreGroups: total - groups.length })
  }
  return { execution, steps }
}

async function withOutput(
  drover: Drover,
  at: { executionId: string; step: number },
  group: OutputGroup,
  normalised: boolean,
): Promise<SummaryGroup> {
  const read = async (stream: 'stdout' | 'stderr', said: number | null) => {
    if (!said) return { text: '', normalised: '', cut: false }
    const place = { ...at, hostId: group.hostId, stream }
    const text = await drover.outputText(place, OUTPUT_BYTES)
    // After the text: what came late is there now.
    const compared = normalised ? await drover.normalisedOutput(place, OUTPUT_BYTES) : ''
    return { text, normalised: compared, cut: said > OUTPUT_BYTES }
  }
  const [stdout, stderr] = [await read('stdout', group.stdoutBytes), await read('stderr', group.stderrBytes)]
  return {
    ...group,
    stdout: stdout.text,
    stderr: stderr.text,
    ...(normalised ? { normalised: joined(stdout.normalised, stderr.normalised) } : {}),
    cut: stdout.cut || stderr.cut,
  }
}

/** What the hosts of each step wrote, folded. */
export function printGroups(terminal: Terminal, { execution, steps }: Summary): void {
  for (const { step, groups, moreGroups } of steps) {
    if (execution.steps.length > 1)
      terminal.data(terminal.tone('strong', `step ${step.position + 1} ${step.name}: ${step.state}`))
    const folded = groups.map((group) => ({ ...group, output: joined(group.stdout, group.stderr) }))
    for (const line of foldLines(folded)) terminal.data(paint(terminal, line))
    if (moreGroups)
      terminal.data(`… and ${moreGroups} more groups: drover runs logs r-${execution.id} --host NAME`)
    if (groups.some((group) => group.cut))
      terminal.data(`… output was cut here; all of it: drover runs logs r-${execution.id}`)
  }
}

export function printSummary(terminal: Terminal, summary: Summary): void {
  const { execution } = summary
  printGroups(terminal, summary)
  const took = formatDuration(
    Date.parse(execution.endedAt ?? execution.createdAt) -
      Date.parse(execution.startedAt ?? execution.createdAt),
  )
  const why = execution.reason ? ` (${execution.reason})` : ''
  terminal.talk(`r-${execution.id} ${execution.state}${why} in ${took}`)
  if (execution.state === 'failed')
    terminal.talk(`next: drover runs show r-${execution.id}   or   drover runs retry r-${execution.id}`)
}

function joined(stdout: string, stderr: string): string {
  if (!stderr) return stdout
  const gap = stdout && !stdout.endsWith('\n') ? '\n' : ''
  return `${stdout}${gap}${stderr}`
}

function paint(terminal: Terminal, line: FoldedLine): string {
  const text = terminal.interactive ? harmless(line.text) : line.text
  switch (line.kind) {
    case 'summary':
      return terminal.tone('strong', text)
    case 'added':
      return terminal.tone('good', text)
    case 'removed':
      return terminal.tone('bad', text)
    case 'header':
    case 'hunk':
      return terminal.tone('quiet', text)
    case 'text':
      return text
  }
}
