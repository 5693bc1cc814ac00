/** Folding: output that many hosts share is printed once, and what differs is shown by how it differs. */
import { changedLines, unifiedDiff } from './line-diff.js'

/** Hosts with the same outcome and output. */
export interface FoldedOutput {
  hosts: number
  /** Their names, folded: `rack-a-[1-4]`. */
  nodeset: string
  state: string
  exitCode: number | null
  /** What they wrote: standard output, then standard error. */
  output: string
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
    const changes = alike ? unifiedDiff(usual.output, group.output) : []
    // A difference longer than the output itself explains nothing.
    if (alike && usual.output && changes.length <= group.output.split('\n').length + 3)
      lines.push(...changes.map(diffLine))
    else lines.push(...textLines(group.output))
  }
  return lines
}

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
  return `${group.hosts} hosts ${how ? `${how} ` : ''}identical [${group.nodeset}]`
}

function compare(usual: FoldedOutput, group: FoldedOutput): string {
  const who = group.hosts === 1 ? group.nodeset : `${group.hosts} hosts [${group.nodeset}]`
  const lines = changedLines(usual.output, group.output)
  const differs = lines
    ? `${group.hosts === 1 ? 'differs' : 'differ'} in ${lines} line${lines === 1 ? '' : 's'}`
    : ''
  const ended =
    group.state === usual.state && group.exitCode === usual.exitCode ? '' : outcome(group) || group.state
  // Two outputs may look the same and not be: one in both streams, or beyond what was read.
  return `${who} ${[ended, differs].filter(Boolean).join(' and ') || 'differs in what is not shown'}`
}

/** What is worth saying of an outcome: nothing if all went well. */
function outcome(group: FoldedOutput): string {
  if (group.state === 'succeeded') return ''
  const words = group.state.replaceAll('_', ' ')
  return group.exitCode === null ? words : `${words} (exit ${group.exitCode})`
}

function header(group: FoldedOutput): FoldedLine {
  const hosts = group.hosts === 1 ? '' : ` · ${group.hosts} hosts`
  const how = outcome(group)
  return { kind: 'header', text: `── ${group.nodeset}${hosts}${how ? ` · ${how}` : ''}` }
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
