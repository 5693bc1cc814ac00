/** What came of a run: each step's hosts in groups of equal output, folded. */
import {
  type Drover,
  type ExecutionDetail,
  foldLines,
  type FoldedLine,
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
  /** Whether there is more than was fetched. */
  cut: boolean
}

export interface Summary {
  execution: ExecutionDetail
  steps: { step: Step; groups: SummaryGroup[]; moreGroups: number }[]
}

export async function summaryOf(drover: Drover, execution: ExecutionDetail): Promise<Summary> {
  const steps = []
  for (const step of execution.steps) {
    if (step.state === 'pending' || step.state === 'skipped') continue
    const groups = await drover.outputGroups(execution.id, step.position)
    const shown = await Promise.all(
      groups.slice(0, GROUPS_MAX).map((group) => withOutput(drover, execution.id, step.position, group)),
    )
    steps.push({ step, groups: shown, moreGroups: Math.max(0, groups.length - GROUPS_MAX) })
  }
  return { execution, steps }
}

async function withOutput(
  drover: Drover,
  executionId: string,
  step: number,
  group: OutputGroup,
): Promise<SummaryGroup> {
  const read = async (stream: 'stdout' | 'stderr', said: number | null) => {
    if (!said) return { text: '', cut: false }
    const place = { executionId, step, hostId: group.hostId, stream }
    const text = await drover.outputText(place, OUTPUT_BYTES)
    return { text, cut: said > OUTPUT_BYTES }
  }
  const [stdout, stderr] = [await read('stdout', group.stdoutBytes), await read('stderr', group.stderrBytes)]
  return { ...group, stdout: stdout.text, stderr: stderr.text, cut: stdout.cut || stderr.cut }
}

export function printSummary(terminal: Terminal, { execution, steps }: Summary): void {
  for (const { step, groups, moreGroups } of steps) {
    if (execution.steps.length > 1)
      terminal.data(terminal.tone('strong', `step ${step.position + 1} ${step.name}: ${step.state}`))
    const folded = groups.map((group) => ({ ...group, output: outputOf(group) }))
    for (const line of foldLines(folded)) terminal.data(paint(terminal, line))
    if (moreGroups)
      terminal.data(`… and ${moreGroups} more groups: drover runs logs r-${execution.id} --host NAME`)
    if (groups.some((group) => group.cut))
      terminal.data(`… output was cut here; all of it: drover runs logs r-${execution.id}`)
  }
  const took = formatDuration(
    Date.parse(execution.endedAt ?? execution.createdAt) -
      Date.parse(execution.startedAt ?? execution.createdAt),
  )
  const why = execution.reason ? ` (${execution.reason})` : ''
  terminal.talk(`r-${execution.id} ${execution.state}${why} in ${took}`)
  if (execution.state === 'failed')
    terminal.talk(`next: drover runs show r-${execution.id}   or   drover runs retry r-${execution.id}`)
}

function outputOf(group: SummaryGroup): string {
  if (!group.stderr) return group.stdout
  const gap = group.stdout && !group.stdout.endsWith('\n') ? '\n' : ''
  return `${group.stdout}${gap}${group.stderr}`
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
