/** `echo hi` on many real agents of one machine. */
import { createDrover, type Drover } from '../../sdk/index'
import { pause } from '../helpers/api'
import { atMost, type Bench, type Group, onPlatform, percentileRows } from './bench'

const HOSTS = 100
const ROUNDS = 15
const SETTLE_MS = 500

export const hosts: Group = {
  name: 'hosts',
  about:
    '`echo hi` on 10, 50 and 100 real agents (64 MB of heap each), from the launch to the end seen by SSE',
  run: (bench) =>
    onPlatform(bench, { agents: HOSTS }, async (platform) => {
      const drover = createDrover(platform)
      // Two racks of fifty: all agents are connected all the time, which costs the smaller rows a little.
      await echo(bench, drover, { hosts: 10, target: 'name:rack-a-[1-10]' })
      await echo(bench, drover, { hosts: 50, target: 'rack=a', must: 1_000, aim: 350 })
      await echo(bench, drover, { hosts: HOSTS, target: '*', must: 2_000, aim: 600 })
    }),
}

interface Case {
  hosts: number
  target: string
  must?: number
  aim?: number
}

async function echo(bench: Bench, drover: Drover, { hosts: count, target, must, aim }: Case): Promise<void> {
  const samples: number[] = []
  for (let n = -2; n < ROUNDS; n++) {
    const from = performance.now()
    const { id, hosts: targets } = await drover.launch({
      target,
      confirm: count,
      plan: { name: 'bench', steps: [{ name: 'only', language: 'sh', script: 'echo hi' }] },
    })
    for await (const event of drover.watchEvents(id)) void event
    if (n >= 0) samples.push(performance.now() - from)
    const { state } = await drover.execution(id)
    if (state !== 'succeeded' || targets !== count)
      throw new Error(`r-${id} on ${targets} of ${count} hosts ${state}`)
    await pause(SETTLE_MS)
  }
  const of = { name: `\`echo hi\` on ${count} real agents, launch → end`, unit: 'ms', samples } as const
  percentileRows(bench, { ...of, hosts: 'real' }, [
    {
      share: 0.5,
      ...(must === undefined ? {} : { must: atMost(must) }),
      ...(aim === undefined ? {} : { aim }),
    },
    { share: 1 },
  ])
}
