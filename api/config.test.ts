/** What the api is told, and what it refuses to be told. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isLoopback, parseListen, readConfig } from './config.js'

const stores = {
  DROVER_POSTGRES_URL: 'postgres://x',
  DROVER_MONGO_URL: 'mongodb://x',
  DROVER_TEMPORAL_ADDRESS: '127.0.0.1:7233',
}

describe('readConfig', () => {
  it('listens on loopback unless told', () => {
    expect(readConfig(stores)).toMatchObject({
      listen: { host: '127.0.0.1', port: 8080 },
      tls: undefined,
      temporalNamespace: 'default',
    })
  })

  it('names everything that is wrong at once', () => {
    expect(() => readConfig({ DROVER_API_LISTEN: 'nonsense' })).toThrow(
      /DROVER_API_LISTEN.*DROVER_POSTGRES_URL.*DROVER_MONGO_URL.*DROVER_TEMPORAL_ADDRESS/,
    )
  })

  it.each(['0.0.0.0:8080', '[::]:8080', '10.0.0.1:80', 'drover.example.com:443'])(
    'refuses %s without TLS',
    (address) => {
      expect(() => readConfig({ ...stores, DROVER_API_LISTEN: address })).toThrow(
        /in the clear; set DROVER_API_TLS_CERT_FILE/,
      )
    },
  )

  it('takes any address with TLS, and refuses half of it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-config-'))
    try {
      const pem = join(folder, 'x.pem')
      writeFileSync(pem, 'PEM')
      const tls = { DROVER_API_TLS_CERT_FILE: pem, DROVER_API_TLS_KEY_FILE: pem }
      const listen = { ...stores, DROVER_API_LISTEN: '0.0.0.0:8443' }
      expect(readConfig({ ...listen, ...tls }).tls).toEqual({ cert: 'PEM', key: 'PEM' })
      expect(() => readConfig({ ...listen, DROVER_API_TLS_CERT_FILE: pem })).toThrow(
        /DROVER_API_TLS_KEY_FILE is not set/,
      )
      expect(() => readConfig({ ...listen, ...tls, DROVER_API_TLS_KEY_FILE: join(folder, 'none') })).toThrow(
        /cannot read/,
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('addresses', () => {
  it.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
    ['localhost:65536', undefined],
    ['::1:80', undefined],
    [':80', undefined],
    ['localhost', undefined],
  ])('%s', (text, address) => {
    expect(parseListen(text)).toEqual(address)
  })

  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['localhost', true],
    ['127.0.0.1.example.com', false],
    ['0.0.0.0', false],
    ['::', false],
  ])('%s is loopback: %s', (host, loopback) => {
    expect(isLoopback(host)).toBe(loopback)
  })
})

describe('the page of keys', () => {
  const root = join(__dirname, '..')
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  const page = read('docs/reference/configuration.md')
  const section = (title: string) => page.split(/^## /m).find((part) => part.startsWith(title)) ?? ''

  it.each([
    ['api', ['api/config.ts']],
    ['agent', ['agent/config.ts']],
    ['Command line', ['cli/settings.ts']],
  ])('names what %s reads, and nothing else', (title, files) => {
    const readKeys = new Set(
      files.flatMap((file) => read(file).match(/\bDROVER_[A-Z0-9_]*[A-Z0-9]\b/g) ?? []),
    )
    const named = new Set(
      section(title)
        .split('\n')
        .filter((line) => line.startsWith('| `DROVER_'))
        .flatMap((line) => line.split('|')[1]?.match(/\bDROVER_[A-Z0-9_]+/g) ?? []),
    )
    // A secret may stand in a file: the code names the key without the ending. In scripts the agent sets keys of its own.
    const given = [...readKeys].filter((key) => key !== 'DROVER_STACK')
    const asRead = [...named].map((key) => (readKeys.has(key) ? key : key.replace(/_FILE$/, '')))
    for (const key of given) expect(asRead).toContain(key)
    for (const key of asRead) expect([...readKeys]).toContain(key)
  })

  it('names what worker and gateway read', () => {
    const keys = new Set(
      read('workers/config.ts')
        .match(/'DROVER_[A-Z0-9_]+'/g)
        ?.map((key) => key.slice(1, -1)),
    )
    const both = section('worker') + section('gateway')
    for (const key of keys) expect(both).toContain(`\`${String(key)}\``)
    for (const [, key = ''] of both.matchAll(/^\| `(DROVER_[A-Z0-9_]+)`/gm)) expect([...keys]).toContain(key)
  })
})
