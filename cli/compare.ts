/** `drover runs compare`: two runs by what became of their hosts, or two hosts of a run by what they wrote. */
import {
  type ComparedGroup,
  type Drover,
  DroverError,
  type ExecutionDetail,
  type HostResult,
  type OutputPart,
  unifiedDiff,
} from '../sdk/index.js'
import { UsageError } from './fail.js'
import { findHosts, placeIn } from './find-host.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, printLines, type Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface CompareOptions {
  /** `web-1,web-2` */
  hosts?: string
  /** From 1, as people count. */
  step?: number
  exact?: true
  json?: true
}

/** Of each host's output, from its begin. */
const OUTPUT_BYTES = 1024 * 1024

export async function compare(
  terminal: Terminal,
  run: string,
  other: string | undefined,
  options: CompareOptions,
): Promise<void> {
  const executionId = parseRun(run)
  const hosts = options.hosts?.split(',')
  if ((hosts === undefined) === (other === undefined))
    throw new UsageError('give a second run, or two hosts: --hosts web-1,web-2')
  if (hosts) return compareHosts(terminal, executionId, hosts, options)
  await compareRuns(terminal, executionId, parseRun(other ?? ''), options)
}

async function compareRuns(
  terminal: Terminal,
  afterId: string,
  beforeId: string,
  options: CompareOptions,
): Promise<void> {
  const drover = connect()
  const [after, before] = await Promise.all([drover.execution(afterId), drover.execution(beforeId)])
  const compared = []
  for (const [step, was] of pairs(after, before, options.step)) {
    const at = { executionId: beforeId, step: was }
    const by = options.exact ? 'output' : 'normalised'
    const groups = await drover.compareSteps({ executionId: afterId, step: step.position }, at, by)
    compared.push({ step: step.position, name: step.name, groups })
  }
  const run = `r-${afterId}`
  if (options.json) return terminal.json({ run, with: `r-${beforeId}`, steps: compared })
  if (!compared.length) return terminal.talk(`${run} and r-${beforeId} have no step of the same name`)
  for (const { step, name, groups } of compared) {
    if (compared.length > 1) terminal.data(terminal.tone('strong', `step ${step + 1} ${harmless(name)}`))
    const rows = groups.map((group) => [
      group.hosts,
      outcome(group.before),
      outcome(group.after),
      group.sameOutput === null ? '-' : group.sameOutput ? 'same' : 'differs',
      group.nodeset,
    ])
    terminal.data(tableOf(['HOSTS', `r-${beforeId}`, run, 'OUTPUT', 'WHICH'], rows))
  }
}

/** Steps by their names; where both runs have one step, that one. */
function pairs(after: ExecutionDetail, before: ExecutionDetail, wanted: number | undefined) {
  const both = after.steps.length === 1 && before.steps.length === 1
  return after.steps
    .filter((step) => wanted === undefined || step.position === wanted - 1)
    .flatMap((step) => {
      const was = both ? before.steps[0] : before.steps.find((other) => other.name === step.name)
      return was ? [[step, was.position] as const] : []
    })
}

const outcome = (side: ComparedGroup['before']): string =>
  side ? `${side.state}${side.exitCode ? ` (${side.exitCode})` : ''}` : 'not among its hosts'

async function compareHosts(
  terminal: Terminal,
  executionId: string,
  names: readonly string[],
  options: CompareOptions,
): Promise<void> {
  const [one, two, ...more] = names
  if (!one || !two || more.length) throw new UsageError('--hosts takes two names: --hosts web-1,web-2')
  const drover = connect()
  const run = await drover.execution(executionId)
  const { step, hosts } = await findHosts(drover, placeIn(run, options.step), [one, two])
  const [first, second] = hosts as [HostResult, HostResult]
  const place = { executionId, step }
  const streams = []
  for (const stream of ['stdout', 'stderr'] as const)
    streams.push(await compareStream(drover, place, stream, [first, second]))
  if (options.json) return terminal.json({ run: `r-${executionId}`, hosts: [first, second], streams })
  const rows = [first, second].map((host) => [
    host.hostName,
    host.state,
    host.exitCode,
    host.reason,
    host.durationMs,
  ])
  terminal.data(tableOf(['HOST', 'STATE', 'EXIT', 'REASON', 'MS'], rows))
  for (const { stream, same, diff, note } of streams) {
    if (!same) printLines(terminal, [`--- ${one} ${stream}`, `+++ ${two} ${stream}`, ...diff])
    if (note) terminal.talk(`${stream}: ${note}`)
  }
  if (streams.every((stream) => stream.same && !stream.note)) terminal.talk('they wrote the same')
}

async function compareStream(
  drover: Drover,
  place: { executionId: string; step: number },
  stream: 'stdout' | 'stderr',
  hosts: readonly HostResult[],
) {
  const parts = await Promise.all(hosts.map((host) => beginOf(drover, place, stream, host)))
  const [one, two] = parts.map((part) => Buffer.from(part.bytes))
  const same = one && two ? one.equals(two) : false
  const diff = same ? [] : unifiedDiff(String(one), String(two))
  const isCut = parts.some((part) => part.total > OUTPUT_BYTES)
  const isOpen = parts.some((part) => !part.complete)
  const notes = [
    !same && !diff.length ? 'they differ in bytes that are no text, or in the line break at their end' : '',
    isCut
      ? `only the first MiB of each was compared, of ${parts.map((part) => part.total).join(' and ')} bytes`
      : '',
    isOpen ? 'more may come' : '',
  ]
  return { stream, same, diff, note: notes.filter(Boolean).join('; ') }
}

/** An empty stream has no range to ask for. */
async function beginOf(
  drover: Drover,
  place: { executionId: string; step: number },
  stream: 'stdout' | 'stderr',
  host: HostResult,
): Promise<OutputPart> {
  const at = { ...place, hostId: host.hostId, stream }
  try {
    return await drover.readOutput(at, { from: 0, last: OUTPUT_BYTES - 1 })
  } catch (error) {
    if (error instanceof DroverError && error.code === 'range_invalid') return drover.readOutput(at)
    throw error
  }
}
