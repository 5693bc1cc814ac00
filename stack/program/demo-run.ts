/** The demo's run: launched by the API, followed live, its output folded into the groups that differ. */
import { delay } from '../../base/backoff.js'
import type { ApiClient, DemoHost, OutputGroup } from './api-client.js'
import { say, tone } from './console.js'
import { demoLaunch, plantConfigurations } from './demo-plan.js'
import { changedLines, lineDiff } from './line-diff.js'

const finalStates = ['succeeded', 'failed', 'cancelled']

/** Resolves when all hosts are connected. Throws with the names of those that are not after `timeoutMs`. */
export async function waitConnected(
  client: ApiClient,
  count: number,
  timeoutMs = 30_000,
): Promise<DemoHost[]> {
  for (const until = Date.now() + timeoutMs; ; await delay(100)) {
    const hosts = await client.hosts()
    const connected = hosts.filter((host) => host.connected)
    if (connected.length >= count) return hosts
    if (Date.now() > until) {
      const absent = hosts.filter((host) => !host.connected).map((host) => host.name)
      throw new Error(
        `${connected.length} of ${count} hosts are connected; not: ${absent.join(', ') || '(never joined)'}`,
      )
    }
  }
}

/** Runs the plan and prints what came of it. Throws if it did not succeed everywhere. */
export async function runDemo(client: ApiClient, data: string, hosts: DemoHost[]): Promise<{ id: string }> {
  const launched = await client.launch(demoLaunch(plantConfigurations(data, hosts)))
  say(`Run r-${launched.id} on ${hosts.length} hosts: facts, then app.conf`)
  await follow(client, launched.id)
  const execution = await client.execution(launched.id)
  if (execution.state !== 'succeeded') {
    throw new Error(
      `run r-${execution.id} ${execution.state}: ${execution.reason ?? JSON.stringify(execution.steps)}`,
    )
  }
  for (const group of await client.outputGroups(launched.id, 0)) {
    say(
      `  facts     ${group.nodeset}: ${(await client.output(launched.id, 0, group.hostId)).trim().replaceAll('\n', ' · ')}`,
    )
  }
  await compare(client, launched.id, 1)
  return launched
}

/** Prints each step's progress as its events come, until the run has ended. */
async function follow(client: ApiClient, id: string): Promise<void> {
  let shown = ''
  for await (const { event } of client.events(`/executions/${id}/events`)) {
    if (event === 'end') return
    const { steps, state } = await client.execution(id)
    const progress = steps
      .map((step) => `${step.name} ${step.counts['succeeded'] ?? 0}/${step.hosts}`)
      .join('   ')
    if (progress !== shown) say(`  ${tone('quiet', progress)}`)
    shown = progress
    if (finalStates.includes(state)) return
  }
}

/** The largest group is what hosts should be like; every other one is shown by what it has otherwise. */
async function compare(client: ApiClient, id: string, step: number): Promise<void> {
  const [usual, ...others] = await client.outputGroups(id, step)
  if (!usual) return
  const expected = await client.output(id, step, usual.hostId)
  const differences = await Promise.all(
    others.map((group) => difference(client, { id, step, group, expected })),
  )
  const summary = [
    `${usual.hosts} hosts identical [${usual.nodeset}]`,
    ...differences.map(
      ({ group, lines }) => `${group.nodeset} differs in ${lines} line${lines === 1 ? '' : 's'}`,
    ),
  ]
  say()
  say(tone('strong', summary.join(' · ')))
  for (const { changes } of differences) {
    for (const change of changes) {
      say(tone(change.sign === '-' ? 'bad' : 'good', `  ${change.sign} ${change.line}: ${change.text}`))
    }
  }
  say()
}

async function difference(
  client: ApiClient,
  { id, step, group, expected }: { id: string; step: number; group: OutputGroup; expected: string },
) {
  const changes = lineDiff(expected, await client.output(id, step, group.hostId))
  return { group, changes, lines: changedLines(changes) }
}
