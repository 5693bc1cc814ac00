import type { DbAccount } from '../db-account.js'
import { accountFault } from '../db-account.js'
import { compilePlan } from '../plan.js'
import { planSchema } from '../plan.schema.js'
import type { UsedScript } from './script-step.js'

const account: DbAccount = {
  name: 'shop',
  engine: 'postgresql',
  host: '127.0.0.1',
  port: 5432,
  database: 'shop',
  user: 'ann',
  sslMode: 'prefer',
  caFile: '',
  secret: 'shop-password',
}
const password = { secret: 'shop-password', version: 2, id: '9' }
const tidy: UsedScript = { script: 'tidy', version: 3, language: 'sql', sha256: 'ab', bytes: 8 }
const used = new Map([
  ['tidy', tidy],
  ['shell', { ...tidy, script: 'shell', language: 'bash' as const }],
])

function compile(step: object) {
  const plan = planSchema.parse({ name: 'p', steps: [{ name: 'one', ...step }] })
  return compilePlan(plan, {
    sha256: (text) => `hash of ${text}`,
    used,
    dbAccounts: new Map([['shop', account]]),
    secrets: new Map([['shop-password', password]]),
  })
}
const sql = (more: object) => ({ type: 'sql', dbAccount: 'shop', ...more })

it('compiles with its account as it is now, and its text by hash', () => {
  const { plan, scripts } = compile(sql({ sql: 'select 1', database: 'other' }))
  expect(plan.steps).toEqual([
    {
      type: 'sql',
      name: 'one',
      language: 'sql',
      scriptSha256: 'hash of select 1',
      scriptBytes: 8,
      db: { ...account, database: 'other' },
      secrets: { PASSWORD: password },
      format: 'tsv',
      onError: 'stop',
      transaction: false,
      account: '',
      timeoutMs: 3_600_000,
      graceMs: 10_000,
      onFailure: 'stop',
      concurrency: undefined,
    },
  ])
  expect(scripts.get('hash of select 1')).toBe('select 1')
})

it('compiles a script of the library that is SQL', () => {
  expect(compile(sql({ uses: 'tidy' })).plan.steps).toMatchObject([
    { language: 'sql', scriptSha256: 'ab', source: { script: 'tidy', version: 3 }, db: account },
  ])
})

it.each<[string, object, string]>([
  ['a script of another language', sql({ uses: 'shell' }), 'is bash, and not SQL'],
  ['a transaction that goes on', sql({ sql: 'x', transaction: true, onError: 'continue' }), 'all or nothing'],
  ['an account that is no name', sql({ sql: 'x', account: 'a b' }), 'not a name for an account'],
  ['SQL as a script', { uses: 'tidy' }, 'which a step of the kind sql runs'],
])('refuses %s', (_, step, why) => {
  expect(() => compile(step)).toThrow(why)
})

it.each<[string, Partial<DbAccount>, boolean]>([
  ['a socket', { host: '/run/postgresql' }, true],
  ['a socket with TLS', { host: '/run/postgresql', sslMode: 'require' }, false],
  ['a checked address of PostgreSQL', { sslMode: 'verify-full' }, true],
  ['a checked address of MySQL', { engine: 'mysql', sslMode: 'verify-full' }, false],
  ['a checked address of version 6', { engine: 'mysql', sslMode: 'verify-full', host: 'fe80::1' }, false],
  ['a checked name of MySQL', { engine: 'mysql', sslMode: 'verify-full', host: 'db1' }, true],
  ['authorities without TLS', { sslMode: 'disable', caFile: '/ca' }, false],
])('judges %s', (_, change, good) => {
  expect(accountFault({ ...account, ...change }) === undefined).toBe(good)
})
