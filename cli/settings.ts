/** Which server the CLI talks to, as whom: from the environment. */
import { createDrover, type Drover } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'

export interface Settings {
  url: string
  token: string | undefined
  scope: string
}

export function readSettings(env: Record<string, string | undefined> = process.env): Settings {
  return {
    url: (env['DROVER_URL'] || 'http://127.0.0.1:8080').replace(/\/+$/, ''),
    token: env['DROVER_TOKEN'] || undefined,
    scope: env['DROVER_SCOPE'] || 'default',
  }
}

/** @throws UsageError if there is no token or the URL is none */
export function connect(settings = readSettings()): Drover {
  const { url, token, scope } = settings
  if (!URL.canParse(url))
    throw new UsageError(`DROVER_URL is "${url}", which is not a URL such as http://127.0.0.1:8080`)
  if (!token) {
    throw new UsageError(
      'DROVER_TOKEN is not set: the first start of the api printed a token, and `npm run up` writes it to its --env file',
      exitCodes.forbidden,
    )
  }
  return createDrover({ url, token, scope })
}
