/** What a real agent takes of its host while nothing is asked of it. */
import { pause } from '../helpers/api'
import { atMost, type Group, onPlatform } from './bench'
import { cpuPercent, residentMb } from './process-use'

const SETTLE_MS = 30_000
const IDLE_SECONDS = 120

export const agent: Group = {
  name: 'agent',
  about: 'memory and processor time of an idle real agent',
  run: (bench) =>
    onPlatform(bench, { agents: 1 }, async (platform) => {
      const pid = platform.child(platform.hosts[0]?.name ?? '').pid ?? 0
      await pause(SETTLE_MS)
      const cpu = await cpuPercent(pid, IDLE_SECONDS)
      bench.row({
        name: `idle agent, resident memory after ${IDLE_SECONDS + SETTLE_MS / 1_000} s`,
        unit: 'MB',
        hosts: 'real',
        n: 1,
        value: residentMb(pid),
        must: atMost(90),
        aim: 65,
      })
      bench.row({
        name: `idle agent, processor time over ${IDLE_SECONDS} s`,
        unit: '% of a core',
        hosts: 'real',
        n: 1,
        value: cpu,
        must: atMost(1),
        aim: 0.3,
      })
    }),
}
