/** `drover-agent`: flags, start, and a clean end on a signal. */
import { createLogger } from '../base/logger.js'
import { listenForShutdown } from '../base/shutdown.js'
import { startAgent } from './agent.js'
import { type Config, readConfig, readJoinToken } from './config.js'
import { askHealth } from './health.js'
import { JoinRefused } from './identity/join.js'
import { SUPERVISOR } from './supervisor/supervisor.js'
import { AGENT_VERSION } from './version.js'

const HELP = `drover-agent: runs what its control plane orders on this host.

  --config-check  check the configuration in the environment and exit (0 good, 2 wrong)
  --healthz       ask the agent that runs with this configuration (0 well, 1 not)
  --version       print the version
  --supervisor    print the supervisor: a shell script that starts the agent and changes its version
  --help          print this

Configuration is DROVER_* in the environment: DROVER_AGENT_GATEWAYS (host:port, comma separated) and, until the host
has joined, DROVER_AGENT_JOIN_TOKEN or DROVER_AGENT_JOIN_TOKEN_FILE. See docs/reference/configuration.md.
`

const GOODBYE_MS = 5_000

const EXIT = { ok: 0, failed: 1, badConfig: 2, joinRefused: 3 } as const

async function main(flags: string[]): Promise<number> {
  const [flag, ...more] = flags
  if (
    more.length ||
    (flag !== undefined &&
      !['--config-check', '--healthz', '--version', '--supervisor', '--help'].includes(flag))
  ) {
    process.stderr.write(HELP)
    return EXIT.badConfig
  }
  if (flag === '--version') return print(`${AGENT_VERSION}\n`)
  if (flag === '--supervisor') return print(SUPERVISOR)
  if (flag === '--help') return print(HELP)
  const config = tryReadConfig()
  if (!config) return EXIT.badConfig
  if (flag === '--config-check') return print('configuration is good\n')
  if (flag === '--healthz') {
    const health = await askHealth(config)
    print(`${health.detail}\n`)
    return health.ok ? EXIT.ok : EXIT.failed
  }
  return run(config)
}

async function run(config: Config): Promise<number> {
  const log = createLogger('agent')
  const shutdown = listenForShutdown()
  let restart = () => {}
  const changed = new Promise<void>((resolve) => {
    restart = () => {
      // Whatever hangs must not keep the next version waiting: the journal needs no goodbye.
      setTimeout(() => process.exit(EXIT.ok), GOODBYE_MS).unref()
      resolve()
    }
  })
  if (process.pid === 1) {
    log.warn(
      'running as PID 1: start the container with an init (docker run --init), or daemons of scripts stay as zombies',
    )
  }
  try {
    const agent = await startAgent({
      config,
      joinToken: () => readJoinToken(process.env),
      signal: shutdown.signal,
      restart,
    })
    await Promise.race([shutdown.requested, changed])
    await agent[Symbol.asyncDispose]()
    return EXIT.ok
  } catch (error) {
    if (shutdown.signal.aborted) return EXIT.ok
    if (!(error instanceof JoinRefused)) throw error
    log.fatal(
      { code: error.code, detail: error.message },
      'joining was refused for good: make a new join token and start again',
    )
    return EXIT.joinRefused
  }
}

function tryReadConfig(): Config | undefined {
  try {
    return readConfig(process.env)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return undefined
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return EXIT.ok
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    createLogger('agent').fatal({ err: error }, 'the agent cannot go on')
    process.exitCode = EXIT.failed
  },
)
