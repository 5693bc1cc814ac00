/** `npm run demo`: a platform with eight hosts in two racks, a real plan on them, and what it found. */
import { parseArgs } from 'node:util'
import { listenForShutdown } from '../base/shutdown.js'
import { createDrover } from '../sdk/index.js'
import { type Platform, startPlatform } from './platform/platform.js'
import { fail, say, sayFacts, sayReady, tone, UsageError } from './program/console.js'
import { runDemo, waitConnected } from './program/demo-run.js'
import { writeEnvironmentFile } from './program/environment-file.js'

function readOptions(): { once: boolean } {
  try {
    return { once: parseArgs({ options: { once: { type: 'boolean', default: false } } }).values.once }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nusage: npm run demo -- [--once]`)
  }
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
  const { once } = readOptions()
  const shutdown = listenForShutdown()
  const startedAt = Date.now()
  say('Starting a demo: servers, roles and eight hosts on this machine; nothing is kept')
  const platform = await startPlatform({
    ephemeral: true,
    // The run needs no artifacts, so MinIO does not compete with what it waits for.
    objectStore: 'manual',
    log: (line) => say(`  ! ${line}`),
    onReady: sayReady,
  })
  try {
    await demonstrate(platform, startedAt)
    if (once) return
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
