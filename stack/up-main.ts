/** `npm run up`: a whole platform on this machine that keeps its data, until Ctrl-C. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { listenForShutdown } from '../base/shutdown.js'
import { startPlatform } from './platform/platform.js'
import { fail, say, sayFacts, sayReady, tone, UsageError, wholeNumber } from './program/console.js'
import { writeEnvironmentFile } from './program/environment-file.js'

const usage = 'usage: npm run up -- [--name NAME] [--agents N] [--gateways N] [--env FILE]'

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        name: { type: 'string', default: 'default' },
        agents: { type: 'string', default: '8' },
        gateways: { type: 'string', default: '1' },
        env: { type: 'string' },
      },
    })
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(values.name)) {
      throw new UsageError('--name takes lower-case letters, digits and hyphens')
    }
    return {
      name: values.name,
      agents: wholeNumber('agents', values.agents, 200),
      gateways: Math.max(1, wholeNumber('gateways', values.gateways, 8)),
      envFile: values.env,
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

async function main(): Promise<void> {
  const options = readOptions()
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
    say(`Next: ${tone('strong', `export $(cat ${file}) && npx --no drover hosts ls`)}`)
    say('Ctrl-C ends it; the data stays.')
    await shutdown.requested
    say('Stopping.')
  } finally {
    await platform.close()
  }
}

main().catch(fail)
