/**
 * Runs a command on every host and prints what they said, each answer once. With DROVER_URL and DROVER_TOKEN set, from a
 * checkout: `node dist/sdk/examples/launch.js 8`, where 8 is how many hosts you mean.
 */
import { createDrover, type Drover, foldLines } from '../index.js'

/** Launches, waits, prints. Returns the state in which the run ended. */
export async function askEveryHost(
  drover: Drover,
  hosts: number,
  print: (line: string) => void,
): Promise<string> {
  const run = await drover.launchAndWait({
    target: '*',
    script: { name: 'kernel', script: 'uname -sr' },
    // A launch on many hosts is confirmed by their number, as a person knows it: another one is refused.
    confirm: hosts,
  })
  const groups = await drover.outputGroups(run.id, 0)
  const outputs = groups.map(async (group) => ({
    ...group,
    output: await drover.outputText({ executionId: run.id, step: 0, hostId: group.hostId, stream: 'stdout' }),
  }))
  for (const line of foldLines(await Promise.all(outputs))) print(line.text)
  return run.state
}

async function main(): Promise<void> {
  const { DROVER_URL: url = 'http://127.0.0.1:8080', DROVER_TOKEN: token = '' } = process.env
  const hosts = Number(process.argv[2])
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const state = await askEveryHost(createDrover({ url, token }), hosts, say)
  process.exitCode = state === 'succeeded' ? 0 : 1
}

if (require.main === module) void main()
