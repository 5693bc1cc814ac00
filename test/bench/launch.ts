/** One launch on one real agent, on an idle machine: what a person waits for. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createDrover, type Drover } from '../../sdk/index'
import { pause } from '../helpers/api'
import { metricsOf, valueOf } from '../helpers/metrics'
import { atMost, type Bench, type Group, onPlatform, percentileRows } from './bench'
import { layers } from './layers'

const WARM_UP = 15
const ROUNDS = 100
const IDLE_MS = 100

const now = () => performance.timeOrigin + performance.now()

export const launch: Group = {
  name: 'launch',
  about:
    'one launch on one idle real agent: to its first instruction, to its end, to the answer of the agent',
  run: (bench) =>
    onPlatform(bench, { agents: 1 }, async (platform) => {
      const drover = createDrover(platform)
      await firstInstruction(bench, drover)
      // Read at the begin too, for it tells of what came since the last look.
      await metricsOf(platform, 'gateway-1')
      await launchToEnd(bench, drover)
      const metrics = await metricsOf(platform, 'gateway-1')
      for (const [quantile, name, must, aim] of [
        ['0.5', 'p50', 5, 2],
        ['0.99', 'p99', 50, 15],
      ] as const)
        bench.row({
          name: `order sent by the gateway → ACCEPTED by the agent, fsync included, ${name}`,
          unit: 'ms',
          hosts: 'real',
          n: ROUNDS,
          value: valueOf(metrics, `drover_gateway_answer_seconds{quantile="${quantile}"}`) * 1_000,
          must: atMost(must),
          aim,
        })
      await writeToSubscriber(bench, drover)
      await layers(bench, platform, drover)
    }),
}

const oneStep = (script: string, language: 'bash' | 'sh' = 'bash') => ({
  target: '*',
  plan: { name: 'bench', steps: [{ name: 'only', language, script }] },
})

async function firstInstruction(bench: Bench, drover: Drover): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-bench-'))
  const samples: number[] = []
  try {
    for (let n = -WARM_UP; n < ROUNDS; n++) {
      const file = path.join(folder, String(n + WARM_UP))
      const from = now()
      // Its clock is read by the shell itself, before anything else.
      await drover.launchAndWait(oneStep(`echo $EPOCHREALTIME > ${file}`))
      if (n >= 0) samples.push(Number(readFileSync(file, 'utf8')) * 1_000 - from)
      await pause(IDLE_MS)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  const of = {
    name: "API call → script's first instruction, one agent, idle",
    unit: 'ms',
    hosts: 'real',
    samples,
  } as const
  percentileRows(bench, of, [
    { share: 0.5, must: atMost(120), aim: 50 },
    { share: 0.99, must: atMost(500) },
  ])
}

async function launchToEnd(bench: Bench, drover: Drover): Promise<void> {
  const samples: number[] = []
  for (let n = 0; n < ROUNDS; n++) {
    const from = now()
    const { id } = await drover.launch(oneStep('echo hi', 'sh'))
    for await (const event of drover.watchEvents(id)) void event
    samples.push(now() - from)
    await pause(IDLE_MS)
  }
  const of = {
    name: 'launch → end seen by SSE, `echo hi`, one agent',
    unit: 'ms',
    hosts: 'real',
    samples,
  } as const
  percentileRows(bench, of, [{ share: 0.5, must: atMost(110), aim: 70 }, { share: 0.99 }])
}

/** Lines with the time at which they were written, twenty a second, seen by a subscriber. */
async function writeToSubscriber(bench: Bench, drover: Drover): Promise<void> {
  const { id } = await drover.launch(oneStep('for n in {1..300}; do echo $EPOCHREALTIME; sleep 0.05; done'))
  const samples: number[] = []
  for await (const event of drover.followOutput(id)) {
    if (event.type !== 'chunk') continue
    const at = now()
    for (const line of event.text.split('\n')) if (line) samples.push(at - Number(line) * 1_000)
  }
  const of = { name: 'write in a script → SSE subscriber', unit: 'ms', hosts: 'real', samples } as const
  percentileRows(bench, of, [
    { share: 0.5, aim: 60 },
    { share: 0.99, must: atMost(1_000), aim: 250 },
  ])
}
