/** `npm run simulate`: a simulated fleet for a running platform, until Ctrl-C. */
import { mkdirSync } from 'node:fs'
import { createLogger } from '../../base/logger.js'
import { listenForShutdown, type Shutdown } from '../../base/shutdown.js'
import { createDrover, type Drover } from '../../sdk/index.js'
import type { TokenDesk } from './bulk-join.js'
import { type Config, HELP, readConfig } from './config.js'
import { startSimulator } from './simulator.js'
import { report } from './status.js'

const EXIT = { ok: 0, failed: 1, badConfig: 2 } as const
const TOKEN_MS = 3_600_000

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(HELP)
    return EXIT.ok
  }
  let config: Config
  try {
    config = readConfig(args, process.env)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
    return EXIT.badConfig
  }
  const shutdown = listenForShutdown()
  endWithParent()
  return run(config, shutdown)
}

async function run(config: Config, shutdown: Shutdown): Promise<number> {
  mkdirSync(config.state, { recursive: true, mode: 0o700 })
  const drover = createDrover({ url: config.url, token: config.token, scope: config.scope })
  let unreport = () => {}
  try {
    const input = { ...config, desk: tokenDesk(drover), signal: shutdown.signal }
    const simulator = await startSimulator(input, (starting) => {
      unreport = report(config.state, starting)
    })
    await shutdown.requested
    await simulator.stop()
    unreport()
    const { twice } = simulator.counts()
    return twice ? EXIT.failed : EXIT.ok
  } catch (error) {
    unreport()
    if (shutdown.signal.aborted) return EXIT.ok
    throw error
  }
}

function tokenDesk(drover: Drover): TokenDesk {
  return {
    async createToken(labels, uses) {
      const { token } = await drover.createJoinToken({ labels, uses, ttlMs: TOKEN_MS })
      return token
    },
    async freeName(name) {
      for await (const host of drover.hosts({ target: `name:${name}` })) {
        if (host.labels['simulated'] !== 'true')
          throw new Error(`there is a host called ${name} that is not simulated; give the group another name`)
        await drover.revokeHost(host.id)
      }
    },
  }
}

// npm's own process may be killed: nobody would be left to end this one. A supervisor has ways of its own.
function endWithParent(): void {
  const parent = process.ppid
  if (!process.env['DROVER_PREPARE_PID']) return
  setInterval(() => process.ppid === parent || process.exit(129), 1_000).unref()
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    createLogger('simulate').fatal({ err: error }, 'the simulated fleet cannot go on')
    process.exitCode = EXIT.failed
  },
)
