/** Drover itself as its peers are measured: real agents, asked through the SDK. */
import { createDrover, type Drover, type ExecutionEvent } from '../../../sdk/index'
import type { Platform } from '../../../stack/platform/platform'
import { pause } from '../../helpers/api'
import { startBenchPlatform } from '../bench'
import type { Caller, Fleet, Flood, Interrupted, Peer } from './caller'
import { floodBytesIn } from './flood'

const PART_BYTES = 10_000_000
const CONTROL = ['api-1', 'worker-1']

export const drover: Peer = {
  id: 'drover',
  async start(bench, hosts): Promise<Fleet> {
    const platform = await startBenchPlatform(bench, { agents: hosts })
    return { callers: [callerOf(platform, hosts)], close: () => platform.close() }
  },
}

function callerOf(platform: Platform, all: number): Caller {
  const client = createDrover(platform)
  const launch = (hosts: number, script: string) =>
    client.launch({
      target: hosts === all ? '*' : targetOf(platform, hosts),
      // A whole environment has to be meant, even here.
      confirm: hosts,
      plan: { name: 'bench', steps: [{ name: 'only', language: 'sh', script }] },
    })
  return {
    name: 'Drover',
    async echo(hosts) {
      const { id } = await launch(hosts, 'echo hi')
      const succeeded = new Set<string>()
      for await (const event of client.watchEvents(id))
        for (const { hostId, exitCode } of changesOf(event)) if (exitCode === 0) succeeded.add(hostId)
      return succeeded.size
    },
    async firstSight(script, text) {
      const from = performance.now()
      const { id } = await launch(1, script)
      let seen = Number.NaN
      for await (const event of client.followOutput(id))
        if (event.type === 'chunk' && Number.isNaN(seen) && event.text.includes(text))
          seen = performance.now() - from
      if (Number.isNaN(seen)) throw new Error(`r-${id} never printed ${text}`)
      return seen
    },
    flood: async (script) => readWhole(client, (await launch(1, script)).id),
    interrupted: (run) => interrupted({ platform, client, launch, run }),
  }
}

interface Change {
  hostId: string
  exitCode?: number | null
}

const changesOf = ({ type, body }: ExecutionEvent): Change[] =>
  type === 'hosts' ? (body as { changes: Change[] }).changes : []

/** The first hosts in their order: those of the first rack, then those of the second. */
function targetOf({ hosts }: Platform, count: number): string {
  const wanted = hosts.slice(0, count)
  const racks = [...new Set(wanted.map(({ rack }) => rack))]
  return racks
    .map((rack) => `name:rack-${rack}-[1-${wanted.filter((host) => host.rack === rack).length}]`)
    .join('\n')
}

async function readWhole(client: Drover, executionId: string): Promise<Flood> {
  for await (const event of client.watchEvents(executionId)) void event
  for await (const { hostId } of client.executionHosts(executionId, 0)) {
    const place = { executionId, step: 0, hostId, stream: 'stdout' } as const
    const isComplete = async () => (await client.readOutput(place, { from: 0, last: 0 })).complete
    while (!(await isComplete())) await pause(50)
    const storedAt = performance.now()
    const parts: Uint8Array[] = []
    for (let at = 0, total = 1; at < total; at += PART_BYTES) {
      const part = await client.readOutput(place, { from: at, last: at + PART_BYTES - 1 })
      total = part.total
      parts.push(part.bytes)
    }
    return { bytes: floodBytesIn(Buffer.concat(parts)), storedAt }
  }
  throw new Error(`r-${executionId} has no host`)
}

async function interrupted(of: {
  platform: Platform
  client: Drover
  launch: (hosts: number, script: string) => Promise<{ id: string }>
  run: Parameters<NonNullable<Caller['interrupted']>>[0]
}): Promise<Interrupted> {
  const { platform, client, launch, run } = of
  const from = performance.now()
  const { id } = await launch(run.hosts, run.script)
  await pause(run.afterMs)
  for (const name of CONTROL) platform.child(name).kill('SIGKILL')
  for await (const event of client.watchEvents(id)) void event
  const seconds = ((performance.now() - from) / 1_000).toFixed(1)
  let told = 0
  for await (const { state, exitCode, hostId } of client.executionHosts(id, 0)) {
    const place = { executionId: id, step: 0, hostId, stream: 'stdout' } as const
    const isWhole = (await client.outputText(place)).includes(run.word)
    if (state === 'succeeded' && exitCode === 0 && isWhole) told++
  }
  const { state } = await client.execution(id)
  return {
    killed: 'API and worker',
    told,
    saw: `the run ${state} ${seconds} s after its launch, seen by the stream of events that was open all the time`,
  }
}
