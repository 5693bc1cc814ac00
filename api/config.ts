/** The api's configuration: environment in, one typed value out. Nothing else reads the environment. */
import { readFileSync } from 'node:fs'
import { EnvReader } from '../base/env.js'

export interface Config {
  listen: { host: string; port: number }
  tls: { cert: string; key: string } | undefined
  postgresUrl: string
  mongoUrl: string
  temporalAddress: string
  temporalNamespace: string
  temporalUi: string | undefined
  bootstrapTokenFile: string | undefined
}

type Env = Record<string, string | undefined>

/** Throws ConfigError with every fault at once. */
export function readConfig(env: Env): Config {
  const reader = new EnvReader(env)
  const listenText = reader.text('DROVER_API_LISTEN', '127.0.0.1:8080')
  const listen = parseListen(listenText)
  if (!listen) reader.fault(`DROVER_API_LISTEN must be host:port, not "${listenText}"`)
  const tls = readTls(reader)
  if (listen && !tls && !isLoopback(listen.host)) {
    reader.fault(
      `DROVER_API_LISTEN is ${listenText}, which others can reach: tokens would cross the network in the clear; set DROVER_API_TLS_CERT_FILE and DROVER_API_TLS_KEY_FILE, or listen on 127.0.0.1 behind a proxy that has TLS`,
    )
  }
  const config: Config = {
    listen: listen ?? { host: '127.0.0.1', port: 0 },
    tls,
    postgresUrl: reader.text('DROVER_POSTGRES_URL'),
    mongoUrl: reader.text('DROVER_MONGO_URL'),
    temporalAddress: reader.text('DROVER_TEMPORAL_ADDRESS'),
    temporalNamespace: reader.text('DROVER_TEMPORAL_NAMESPACE', 'default'),
    temporalUi: reader.text('DROVER_TEMPORAL_UI', '').replace(/\/+$/, '') || undefined,
    bootstrapTokenFile: reader.text('DROVER_BOOTSTRAP_TOKEN_FILE', '') || undefined,
  }
  reader.finish()
  return config
}

function readTls(reader: EnvReader): Config['tls'] {
  const files = ['DROVER_API_TLS_CERT_FILE', 'DROVER_API_TLS_KEY_FILE'].map((name) => ({
    name,
    path: reader.text(name, ''),
  }))
  if (files.every((file) => !file.path)) return undefined
  const [cert = '', key = ''] = files.map(({ name, path }) => {
    if (!path) {
      reader.fault(`${name} is not set, but its counterpart is`)
      return ''
    }
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      reader.fault(`${name}: cannot read ${path}: ${(error as Error).message}`)
      return ''
    }
  })
  return { cert, key }
}

/** `host:port`, an IPv6 address in brackets; undefined if it is neither. */
export function parseListen(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
