/** `npm run storm`: how long a fleet stands still when its gateway dies, and how it comes back when everyone comes at once. */
import { parseArgs } from 'node:util'
import { fail, say, UsageError, wholeNumber } from '../../stack/program/console'
import { type FailoverResult, measureFailover } from './failover'
import { runStorm, type StormResult } from './storm'

const usage = `usage: npm run storm -- [--agents N] [--json]

First on a real platform with six real agents: the gateway that holds them is killed with work under way (how long until the
next script starts), and an agent is frozen (how long until it is called away). Then the storm: a platform with two gateways and
two real agents, N simulated agents (5000; 0 leaves the storm out) by real TLS, SIGKILL for the gateway that holds them, until
every session is up again. The last line is JSON. Exit code 1 if work stood still for over 10 s, the frozen agent was noticed
after over 25 s, the fleet took over 60 s to come back, or the 99th percentile of the other gateway's event loop lag was over
250 ms.`

const most = { gatewayDeathSeconds: 10, deadPeerSeconds: 25, backSeconds: 60, loopLagP99Ms: 250 }
const limited = Object.keys(most) as (keyof typeof most)[]

async function main(): Promise<void> {
  let agents: number
  let json: boolean
  try {
    const { values } = parseArgs({
      options: {
        agents: { type: 'string', default: '5000' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return say(usage)
    agents = wholeNumber('agents', values.agents, 20_000)
    json = values.json
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
  const report = (line: string) => (json ? undefined : say(`  ${line}`))
  const result: FailoverResult & Partial<StormResult> = {
    ...(await measureFailover(report)),
    ...(agents ? await runStorm(agents, report) : {}),
  }
  say(JSON.stringify(result))
  for (const name of limited) {
    if ((result[name] ?? 0) <= most[name]) continue
    say(`${name} is over ${most[name]}`)
    process.exitCode = 1
  }
}

main().catch(fail)
