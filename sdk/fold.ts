/** Folding: output that many hosts share is printed once, and what differs is shown by how it differs. */
import { changedLines, type LineKeys, unifiedDiff } from './line-diff.js'

/** Hosts with the same outcome and output. */
export interface FoldedOutput {
  hosts: number
  /** Their names, folded: `rack-a-[1-4]`. */
  nodeset: string
  state: string
  exitCode: number | null
  /** What their scripts said the outcome is called. */
  tag?: string | null
  /** Whether they are equal byte for byte, or after normalising. */
  identical?: 'output' | 'normalised' | null
  /** What one of them wrote: standard output, then standard error. */
  output: string
  /** The same, normalised, line for line: only lines that differ there are shown as differing. */
  normalised?: string | undefined
}

/** A line, and what it is: a terminal may colour it. */
export interface FoldedLine {
  kind: 'summary' | 'header' | 'text' | 'hunk' | 'added' | 'removed'
  text: string
}

/**
 * One summary line, then each group under its hosts: the largest with its output, the others with their difference to it.
 * @param groups largest first
 */
export function foldLines(groups: readonly FoldedOutput[]): FoldedLine[] {
  const [usual, ...others] = groups
  if (!usual) return []
  // No group is the usual one where no two hosts agree: a difference to the first would only confuse.
  const alike = usual.hosts > 1 || groups.length <= 2
  const lines: FoldedLine[] = [
    { kind: 'summary', text: alike ? summarize(usual, others) : `${groups.length} hosts, no two alike` },
  ]
  lines.push(header(usual), ...textLines(usual.output))
  for (const group of others) {
    lines.push(header(group))
    const changes = alike ? unifiedDiff(usual.output, group.output, keysOf(usual, group)) : []
    // A difference longer than the output itself explains nothing.
    if (alike && usual.output && changes.length <= group.output.split('\n').length + 3)
      lines.push(...changes.map(diffLine))
    else lines.push(...textLines(group.output))
  }
  return lines
}

function keysOf(usual: FoldedOutput, group: FoldedOutput): LineKeys | undefined {
  const [before, after] = [usual.normalised, group.normalised]
  if (before === undefined || after === undefined) return undefined
  // Alike, and yet in two groups, though they ended the same: an old agent's output is compared byte by byte.
  return before === after && endedSame(usual, group) ? undefined : { before, after }
}

const BUT_FOR = 'identical but for times, ids and names'

/** Groups that are compared in the summary; more are counted. */
const COMPARED = 5

function summarize(usual: FoldedOutput, others: readonly FoldedOutput[]): string {
  const parts = [describe(usual), ...others.slice(0, COMPARED).map((group) => compare(usual, group))]
  if (others.length > COMPARED) parts.push(`${others.length - COMPARED} more groups differ`)
  return parts.join(' · ')
}

function describe(group: FoldedOutput): string {
  const how = outcome(group)
  if (group.hosts === 1) return how ? `${group.nodeset} ${how}` : group.nodeset
  const same = group.identical === 'normalised' ? BUT_FOR : 'identical'
  return `${group.hosts} hosts ${how ? `${how} ` : ''}${same} [${group.nodeset}]`
}

function compare(usual: FoldedOutput, group: FoldedOutput): string {
  const who = group.hosts === 1 ? group.nodeset : `${group.hosts} hosts [${group.nodeset}]`
  const lines = changedLines(usual.output, group.output, keysOf(usual, group))
  const differs = lines
    ? `${group.hosts === 1 ? 'differs' : 'differ'} in ${lines} line${lines === 1 ? '' : 's'}`
    : ''
  const ended = endedSame(usual, group) ? '' : outcome(group) || group.state
  // Two outputs may look the same and not be: one in both streams, or beyond what was read.
  return `${who} ${[ended, differs].filter(Boolean).join(' and ') || 'differs in what is not shown'}`
}

const endedSame = (one: FoldedOutput, two: FoldedOutput) =>
  one.state === two.state && one.exitCode === two.exitCode && (one.tag ?? null) === (two.tag ?? null)

/** What is worth saying of an outcome: nothing if all went well. */
function outcome(group: FoldedOutput): string {
  const tag = group.tag ? `"${group.tag}"` : ''
  if (group.state === 'succeeded') return tag
  const words = group.state.replaceAll('_', ' ')
  const ended = group.exitCode === null ? words : `${words} (exit ${group.exitCode})`
  return tag ? `${ended} ${tag}` : ended
}

function header(group: FoldedOutput): FoldedLine {
  const hosts = group.hosts === 1 ? '' : ` · ${group.hosts} hosts`
  const how = outcome(group)
  // Below stands what one of them wrote.
  const same = group.identical === 'normalised' ? ` · ${BUT_FOR}` : ''
  return { kind: 'header', text: `── ${group.nodeset}${hosts}${how ? ` · ${how}` : ''}${same}` }
}

function textLines(output: string): FoldedLine[] {
  if (!output) return [{ kind: 'text', text: '(no output)' }]
  return output
    .replace(/\n$/, '')
    .split('\n')
    .map((text) => ({ kind: 'text', text }))
}

function diffLine(text: string): FoldedLine {
  const kinds: Record<string, FoldedLine['kind']> = { '@': 'hunk', '+': 'added', '-': 'removed' }
  return { kind: kinds[text[0] ?? ''] ?? 'text', text }
}
