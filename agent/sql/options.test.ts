import { readOptions } from './options'

const good = ['--engine', 'mysql', '--user', 'ann', 'x.sql']

it('fills in what is usual', () => {
  expect(readOptions(good)).toEqual({
    script: 'x.sql',
    engine: 'mysql',
    host: '127.0.0.1',
    port: 3306,
    database: undefined,
    user: 'ann',
    sslMode: 'prefer',
    caFile: undefined,
    passwordFile: undefined,
    format: 'tsv',
    onError: 'stop',
    transaction: false,
  })
  expect(readOptions(['--engine', 'postgresql', '--user', 'a', 'x'])).toMatchObject({ port: 5432 })
})

it.each<[string, string[]]>([
  ['no file', good.slice(0, -1)],
  ['two files', [...good, 'y.sql']],
  ['no user', ['--engine', 'mysql', 'x']],
  ['an engine that is none', ['--engine', 'oracle', '--user', 'a', 'x']],
  ['a port that is none', [...good, '--port', '70000']],
  ['a word that is none', [...good, '--password', 'x']],
  ['a transaction that goes on after errors', [...good, '--transaction', '--on-error', 'continue']],
  ['TLS over a socket', [...good, '--host', '/run/s.sock', '--ssl-mode', 'require']],
  ['a certificate compared with an address', [...good, '--ssl-mode', 'verify-full']],
])('refuses %s', (_, words) => {
  expect(() => readOptions(words)).toThrow()
})
