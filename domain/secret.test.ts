import { createHash } from 'node:crypto'
import type { DbAccount } from './db-account.js'
import { PlatformError } from './errors.js'
import { compilePlan } from './plan.js'
import { planSchema } from './plan.schema.js'
import { changeSecret, secretStates, whyNotGiven } from './secret.js'

describe('a version of a secret', () => {
  it.each([
    ['enabled', 'disable', 'disabled'],
    ['enabled', 'destroy', 'destroyed'],
    ['enabled', 'enable', 'enabled'],
    ['disabled', 'enable', 'enabled'],
    ['disabled', 'destroy', 'destroyed'],
    ['destroyed', 'destroy', 'destroyed'],
    ['destroyed', 'enable', undefined],
    ['destroyed', 'disable', undefined],
  ] as const)('%s: %s makes it %s', (state, change, next) => expect(changeSecret(state, change)).toBe(next))

  it('is given to scripts only while it is enabled', () => {
    expect(secretStates.filter((state) => whyNotGiven(state) === undefined)).toEqual(['enabled'])
  })
})

describe('a step with secrets', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  const version = { secret: 'db', version: 3, id: '17' }
  const account: DbAccount = {
    name: 'shop',
    engine: 'mysql',
    host: '127.0.0.1',
    port: 3306,
    database: '',
    user: 'ann',
    sslMode: 'prefer',
    caFile: '',
    secret: 'db',
  }
  const compileAny = (step: object, variables: object[] = []) =>
    compilePlan(planSchema.parse({ name: 'p', variables, steps: [{ name: 's', ...step }] }), {
      sha256,
      secrets: new Map([
        ['db', version],
        ['db@3', version],
      ]),
      dbAccounts: new Map([
        ['shop', account],
        ['open', { ...account, name: 'open', secret: null }],
      ]),
    }).plan
  const compile = (step: object, variables: object[] = []) =>
    compileAny({ script: 'true', ...step }, variables)

  it('is compiled with the ids of versions, and for workers that know of them', () => {
    const plan = compile({ secrets: { A: 'db', B: 'db@3' } })
    expect(plan).toMatchObject({ irVersion: 3, steps: [{ secrets: { A: version, B: version } }] })
  })

  it('is given the password of its database account, if that has one', () => {
    const sql = (dbAccount: string) => compileAny({ type: 'sql', sql: 'select 1', dbAccount })
    expect(sql('shop').steps[0]).toMatchObject({ secrets: { PASSWORD: version }, db: { secret: 'db' } })
    expect('secrets' in (sql('open').steps[0] ?? {})).toBe(false)
  })

  it('gives them no name that a variable of the run has', () => {
    const step = { secrets: { A: 'db' } }
    expect(() => compile(step, [{ name: 'A' }])).toThrow(/variable A is given by the variables of the run/)
    expect(() => compile(step, [{ name: 'A_FILE' }])).toThrow(/A_FILE/)
    expect(() => compile(step, [{ name: 'B' }])).not.toThrow()
  })

  it('that names none is compiled as it was before there were any', () => {
    for (const step of [{}, { secrets: {} }]) {
      const plan = compile(step)
      expect([plan.irVersion, 'secrets' in (plan.steps[0] ?? {})]).toEqual([2, false])
    }
  })

  it.each([
    [{ secrets: { 'a b': 'db' } }, /not a name/],
    [{ secrets: { DROVER_X: 'db' } }, /is refused/],
    [{ secrets: { A: 'db' }, environment: { A: '1' } }, /variable A is given/],
    [{ secrets: { A: 'db' }, environment: { A_FILE: '1' } }, /variable A_FILE is given/],
  ])('cannot say %j', (step, why) => {
    expect(() => compile(step)).toThrow(PlatformError)
    expect(() => compile(step)).toThrow(why)
  })
})
