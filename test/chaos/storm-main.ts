/** `npm run storm`: how long a fleet takes to come back when its gateway is killed, and what the others feel of it. */
import { parseArgs } from 'node:util'
import { fail, say, UsageError, wholeNumber } from '../../stack/program/console'
import { runStorm } from './storm'

const usage = `usage: npm run storm -- [--agents N] [--json]

Starts a real platform with two gateways and two real agents, connects N simulated agents (5000) by real TLS, kills the
gateway that holds them with SIGKILL, and waits until every session is up again. The last line is JSON. Exit code 1 if that took
longer than 60 s or the 99th percentile of the other gateway's event loop lag was over 250 ms.`

const MOST_SECONDS = 60
const MOST_LAG_MS = 250

async function main(): Promise<void> {
  let agents: number
  let json: boolean
  try {
    const { values } = parseArgs({
      options: { agents: { type: 'string', default: '5000' }, json: { type: 'boolean', default: false } },
    })
    agents = Math.max(1, wholeNumber('agents', values.agents, 20_000))
    json = values.json
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
  const result = await runStorm(agents, (line) => (json ? undefined : say(`  ${line}`)))
  say(JSON.stringify(result))
  if (result.backSeconds > MOST_SECONDS || !(result.loopLagP99Ms <= MOST_LAG_MS)) process.exitCode = 1
}

main().catch(fail)
