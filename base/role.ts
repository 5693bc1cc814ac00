/** A role's main: the flags that every role has, and an end with a readable reason. */
import { ConfigError } from './env.js'
import { createLogger } from './logger.js'

/** The version of this build; the release process changes it here and in package.json (a test holds them together). */
export const VERSION = '0.1.0'

export interface Role<Config> {
  name: string
  /** One sentence and the settings that matter most. */
  help: string
  readConfig: (env: Record<string, string | undefined>) => Config
  /** Runs until it is asked to end. */
  run: (config: Config) => Promise<void>
}

/** Runs a role by its command line. Exit codes: 0 ended as asked, 1 failed, 2 wrong settings. */
export async function runRole<Config>(role: Role<Config>): Promise<void> {
  const [flag] = process.argv.slice(2)
  if (flag === '--version') return void process.stdout.write(`drover ${role.name} ${VERSION}\n`)
  if (flag === '--help')
    return void process.stdout.write(
      `${role.help}\n\n  --version       print the version\n  --config-check  check the settings and exit\n`,
    )
  try {
    const config = role.readConfig(process.env)
    if (flag === '--config-check')
      return void process.stdout.write(`drover ${role.name}: the settings are complete\n`)
    await role.run(config)
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 2
      return
    }
    createLogger(role.name).fatal({ err: error }, 'the role ended because of an error')
    process.exit(1)
  }
}
