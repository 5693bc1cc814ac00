/** The demo's run: launched through the SDK, its output shown as it comes, then folded into the groups that differ. */
import { delay } from '../../base/backoff.js'
import { type Drover, type ExecutionDetail, type FoldedLine, foldLines, type Host } from '../../sdk/index.js'
import { say, tone } from './console.js'
import { demoLaunch, plantConfigurations } from './demo-plan.js'

/** Positions of the demo plan's steps. */
const facts = 0
const configuration = 1

/** Resolves when `count` hosts are connected. Throws with the names of those that are not after `timeoutMs`. */
export async function waitConnected(drover: Drover, count: number, timeoutMs = 30_000): Promise<Host[]> {
  for (const until = Date.now() + timeoutMs; ; await delay(100)) {
    const hosts: Host[] = []
    for await (const host of drover.hosts()) hosts.push(host)
    const absent = hosts.filter((host) => !host.connected).map((host) => host.name)
    if (hosts.length - absent.length >= count) return hosts
    if (Date.now() > until) {
      throw new Error(
        `${hosts.length} of ${count} hosts joined; not connected: ${absent.join(', ') || 'none of these'}`,
      )
    }
  }
}

/** Runs the plan and prints what came of it. Throws if it did not succeed everywhere. */
export async function runDemo(drover: Drover, data: string, hosts: Host[]): Promise<ExecutionDetail> {
  const { id } = await drover.launch(demoLaunch(plantConfigurations(data, hosts)))
  say()
  say(`Run r-${id} on ${hosts.length} hosts: facts, then app.conf`)
  await showOutput(drover, id)
  const execution = await drover.execution(id)
  if (execution.state !== 'succeeded') {
    throw new Error(`run r-${id} ${execution.state}: ${execution.reason ?? JSON.stringify(execution.steps)}`)
  }
  say()
  for (const line of await folded(drover, id)) say(colour(line))
  say()
  return execution
}

/** Prints what hosts write while they write it; the configuration comes folded afterwards. */
async function showOutput(drover: Drover, id: string): Promise<void> {
  for await (const event of drover.followOutput(id)) {
    if (event.type === 'end') return
    if (event.type === 'chunk' && event.stepPosition === facts) {
      for (const line of event.text.trimEnd().split('\n')) say(`  ${tone('quiet', event.hostName)}  ${line}`)
    }
  }
}

/** Hosts with the same file together, and how the others' differs. */
async function folded(drover: Drover, id: string): Promise<FoldedLine[]> {
  const groups = await drover.outputGroups(id, configuration)
  const outputs = await Promise.all(
    groups.map(async (group) => ({
      ...group,
      output: await drover.outputText({
        executionId: id,
        step: configuration,
        hostId: group.hostId,
        stream: 'stdout',
      }),
    })),
  )
  return foldLines(outputs)
}

function colour({ kind, text }: FoldedLine): string {
  if (kind === 'summary') return tone('strong', text)
  if (kind === 'added') return tone('good', text)
  if (kind === 'removed') return tone('bad', text)
  return kind === 'text' ? text : tone('quiet', text)
}
