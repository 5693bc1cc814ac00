import { launchOf, type RunOptions } from './run.js'

const of = (options: Partial<RunOptions>, words: string[] = []) =>
  launchOf(words, { target: 'name:a', env: [], secret: [], secretFile: [], set: [], ...options })

it('makes an SQL step of the command line', () => {
  expect(
    of({
      sql: 'select 1',
      dbAccount: 'shop',
      database: 'x',
      format: 'csv',
      onError: 'continue',
      as: 'postgres',
      timeout: 5_000,
      confirm: 3,
    }),
  ).toEqual({
    target: 'name:a',
    confirm: 3,
    sql: {
      sql: 'select 1\n',
      name: 'select 1',
      dbAccount: 'shop',
      database: 'x',
      format: 'csv',
      onError: 'continue',
      account: 'postgres',
      timeoutMs: 5_000,
    },
  })
  expect(of({ script: 'tidy@2', dbAccount: 'shop', transaction: true, name: 'night' })).toMatchObject({
    sql: { uses: 'tidy@2', dbAccount: 'shop', transaction: true, name: 'night' },
  })
})

it.each<[string, Partial<RunOptions>, string[]]>([
  ['no account', { sql: 'select 1' }, []],
  ['no source', { dbAccount: 'a' }, []],
  ['two sources', { dbAccount: 'a', sql: 'x', script: 'y' }, []],
  ['a command', { dbAccount: 'a', sql: 'x' }, ['uptime']],
  ['a language', { dbAccount: 'a', sql: 'x', lang: 'sh' }, []],
  ['a secret', { dbAccount: 'a', sql: 'x', secret: ['A=b'] }, []],
  ['a plan', { dbAccount: 'a', sql: 'x', job: 'a/b' }, []],
])('refuses SQL with %s', (_, options, words) => {
  expect(() => of(options, words)).toThrow()
})
