/** `npm run demo`: a platform with eight hosts in two racks, a real plan on them, and what it found. */
import { parseArgs } from 'node:util'
import { listenForShutdown } from '../base/shutdown.js'
import { createDrover } from '../sdk/index.js'
import { type Platform, startPlatform } from './platform/platform.js'
import { startSimulated } from './platform/simulated.js'
import { runBreak } from './program/break/run-break.js'
import { fail, say, sayFacts, sayReady, tone, UsageError, wholeNumber } from './program/console.js'
import { runDemo, waitConnected } from './program/demo-run.js'
import { writeEnvironmentFile } from './program/environment-file.js'

const usage = `usage: npm run demo -- [--once]
       npm run demo -- --break [--simulated N] [--seed N]
  --once         end after the run instead of staying up
  --break        a rollout on 8 real and 992 simulated hosts whose parts you kill while it runs
  --simulated N  how many simulated hosts, up to 20000 (992)
  --seed N       decides who is killed, and when if there is no terminal (7)`

interface Options {
  help: boolean
  once: boolean
  breaking: boolean
  simulated: number
  seed: number
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        break: { type: 'boolean', default: false },
        simulated: { type: 'string', default: '992' },
        seed: { type: 'string', default: '7' },
        help: { type: 'boolean', default: false },
      },
    })
    return {
      help: values.help,
      once: values.once,
      breaking: values.break,
      simulated: Math.max(1, wholeNumber('simulated', values.simulated, 20_000)),
      seed: wholeNumber('seed', values.seed, 2 ** 31),
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

/** @returns whether the receipt is clean */
async function breakRollout(
  platform: Platform,
  { simulated, ...options }: { simulated: number; seed: number; signal: AbortSignal },
): Promise<boolean> {
  const from = Date.now()
  const fleet = startSimulated(platform, { agents: simulated, seed: options.seed })
  const { startLog } = await fleet.waitConnected()
  const drover = createDrover({ url: platform.url, token: platform.token })
  const hosts = await waitConnected(drover, platform.hosts.length + simulated)
  sayReady(`${simulated} simulated hosts`, Date.now() - from)
  return runBreak({ ...options, platform, hosts, simulatedStarts: startLog })
}

async function demonstrate(platform: Platform, startedAt: number): Promise<void> {
  const drover = createDrover({ url: platform.url, token: platform.token })
  const hosts = await waitConnected(drover, platform.hosts.length)
  sayReady(`${hosts.length} hosts`, Date.now() - startedAt)
  const { links } = await runDemo(drover, platform.data, hosts)
  say(`First result after ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`)
  sayFacts({ API: platform.url, 'Temporal UI': links.temporal ?? platform.env['DROVER_TEMPORAL_UI'] ?? '' })
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options.help) return say(usage)
  const shutdown = listenForShutdown()
  const startedAt = Date.now()
  const what = options.breaking
    ? `servers, roles, eight hosts and ${options.simulated} simulated ones`
    : 'servers, roles and eight hosts'
  say(`Starting a demo: ${what} on this machine; nothing is kept`)
  const platform = await startPlatform({
    ephemeral: true,
    // The run needs no artifacts, so MinIO does not compete with what it waits for.
    objectStore: 'manual',
    // Two, so that a fleet has somewhere to go when one is killed.
    gateways: options.breaking ? 2 : 1,
    log: (line) => (options.breaking ? undefined : say(`  ! ${line}`)),
    onReady: sayReady,
  })
  try {
    if (options.breaking) {
      const { simulated, seed } = options
      if (!(await breakRollout(platform, { simulated, seed, signal: shutdown.signal }))) process.exitCode = 1
      return
    }
    await demonstrate(platform, startedAt)
    if (options.once) return
    await platform.startObjectStore()
    const file = writeEnvironmentFile(`${platform.data}/env`, platform.env)
    say(`Next: ${tone('strong', `export $(cat ${file}) && npx --no drover hosts ls`)}`)
    say('Ctrl-C ends the demo and removes its data.')
    await shutdown.requested
  } finally {
    await platform.close()
  }
}

main().catch(fail)
