/** `npm run up`: a whole platform on this machine that keeps its data, until Ctrl-C. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { listenForShutdown } from '../base/shutdown.js'
import { type Platform, startPlatform } from './platform/platform.js'
import { type SimulatedOptions, startSimulated } from './platform/simulated.js'
import { fail, say, sayFacts, sayReady, tone, UsageError, wholeNumber } from './program/console.js'
import { writeEnvironmentFile } from './program/environment-file.js'

const usage = `usage: npm run up -- [--name NAME] [--agents N] [--gateways N] [--env FILE] [--simulated N] [--group KEY=…,…]
  --name NAME      which data it keeps (default); two names run side by side
  --agents N       real agents on this machine (8)
  --gateways N     (1)
  --env FILE       where the environment for clients is written (env in the data folder)
  --simulated N    so many simulated hosts beside them
  --group KEY=…    a group of simulated hosts; again for more: docs/guide/simulated-fleets.md`

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        name: { type: 'string', default: 'default' },
        agents: { type: 'string', default: '8' },
        gateways: { type: 'string', default: '1' },
        env: { type: 'string' },
        simulated: { type: 'string' },
        group: { type: 'string', multiple: true },
        help: { type: 'boolean', default: false },
      },
    })
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(values.name)) {
      throw new UsageError('--name takes lower-case letters, digits and hyphens')
    }
    return {
      help: values.help,
      name: values.name,
      agents: wholeNumber('agents', values.agents, 200),
      gateways: Math.max(1, wholeNumber('gateways', values.gateways, 8)),
      envFile: values.env,
      simulated: readSimulated(values),
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

/** The simulated fleet that was asked for, if one was. */
function readSimulated(values: { simulated?: string; group?: string[] }): SimulatedOptions | undefined {
  if (values.simulated === undefined && !values.group) return undefined
  return {
    ...(values.simulated === undefined ? {} : { agents: wholeNumber('simulated', values.simulated, 50_000) }),
    ...(values.group ? { groups: values.group } : {}),
  }
}

async function startFleet(platform: Platform, options: SimulatedOptions): Promise<void> {
  const startedAt = Date.now()
  const { hosts } = await startSimulated(platform, options).waitConnected(1_800_000)
  sayReady(`${hosts} simulated`, Date.now() - startedAt)
}

async function main(): Promise<void> {
  const { help, ...options } = readOptions()
  if (help) return say(usage)
  const shutdown = listenForShutdown()
  const startedAt = Date.now()
  say(`Starting the stack "${options.name}"`)
  let isUp = false
  const platform = await startPlatform({
    ...options,
    log: (line) => say(`  ! ${line}`),
    // The object store comes later than the summary, and needs no line of its own.
    onReady: (part, ms) => (isUp ? undefined : sayReady(part, ms)),
  })
  isUp = true
  try {
    const file = writeEnvironmentFile(options.envFile ?? join(platform.data, 'env'), platform.env)
    say(`Up in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`)
    sayFacts({
      API: platform.url,
      'Temporal UI': platform.env['DROVER_TEMPORAL_UI'] ?? '',
      data: platform.data,
      logs: join(platform.data, 'logs'),
      environment: `${file} (holds the administrator's token)`,
    })
    if (options.simulated) await Promise.race([startFleet(platform, options.simulated), shutdown.requested])
    say(`Next: ${tone('strong', `export $(cat ${file}) && npx --no drover hosts ls`)}`)
    say('Ctrl-C ends it; the data stays.')
    await shutdown.requested
    say('Stopping.')
  } finally {
    await platform.close()
  }
}

main().catch(fail)
