/** The api's process: `node dist/api/main.js [--version | --config-check | --help]`. */
import { ConfigError } from '../base/env.js'
import { createLogger } from '../base/logger.js'
import { listenForShutdown } from '../base/shutdown.js'
import { readConfig } from './config.js'
import { start } from './server.js'
import { version } from './version.js'

const help = `The api of Drover. It is configured by the environment (docs/reference/configuration.md).

  --config-check   says whether the configuration is good, and ends
  --version        prints the version
  --help           prints this
`

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--version')) return void process.stdout.write(`${version()}\n`)
  if (args.includes('--help')) return void process.stdout.write(help)
  const unknown = args.find((arg) => arg !== '--config-check')
  if (unknown !== undefined) {
    process.stderr.write(`unknown argument ${unknown}\n\n${help}`)
    process.exitCode = 2
    return
  }
  const config = readConfig(process.env)
  if (args.includes('--config-check')) return void process.stdout.write('the configuration is good\n')
  const shutdown = listenForShutdown()
  const api = await start(config, { signal: shutdown.signal })
  await shutdown.requested
  await api[Symbol.asyncDispose]()
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`)
  else createLogger('api').fatal({ err: error }, 'the api cannot run')
  process.exitCode = error instanceof ConfigError ? 2 : 1
})
