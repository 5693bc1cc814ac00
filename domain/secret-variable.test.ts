import { createHash } from 'node:crypto'
import { PlatformError } from './errors.js'
import { freezeTargets } from './frozen-targets.js'
import { syncValues } from './job.js'
import { digestText } from './launch-digest.js'
import { compilePlan, type LaunchValues, withKept } from './plan.js'
import { planSchema } from './plan.schema.js'
import {
  checkNoneKept,
  citedByValues,
  ownValueName,
  settleSecrets,
  showFrozen,
  showVariables,
  showValues,
  UNCHANGED,
} from './secret-variable.js'
import { type Value, type VariableInput, variablesSchema } from './variable.schema.js'

const own = ownValueName('11111111-1111-4111-8111-111111111111')
const password = (fields: object = {}) =>
  variablesSchema.parse([{ name: 'PASSWORD', type: 'secret', ...fields }])
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const frozen = { secret: 'db', version: 3, id: '17' }

function compile(plan: object, values?: LaunchValues) {
  const steps = [{ name: 'one', script: 'true' }]
  const secrets = new Map([
    ['db', frozen],
    ['db@3', frozen],
    [own, { secret: own, version: 1, id: '18' }],
  ])
  return compilePlan(planSchema.parse({ name: 'p', steps, ...plan }), { sha256, secrets }, values)
}

function fault(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    if (error instanceof PlatformError) return [error.code, error.message]
    throw error
  }
  return undefined
}

describe('the value of a secret variable', () => {
  it.each([
    ['the launch', [{ PASSWORD: 'a' }, { PASSWORD: 'b' }], { secret: 'db' }, 'a'],
    ['its plan', [{}, { PASSWORD: 'b' }], { secret: 'db' }, 'b'],
    ['its definition', [{}, {}], { secret: 'db' }, { secret: 'db' }],
    [
      'its plan, where the launch leaves it as it is',
      [{ PASSWORD: UNCHANGED }, { PASSWORD: 'b' }],
      undefined,
      'b',
    ],
  ])('is that of %s', (_who, given, value, settled) => {
    const variables = password(value === undefined ? {} : { value })
    expect(settleSecrets(variables, given, true)).toEqual(new Map([['PASSWORD', settled]]))
  })

  it('need not be there, unless it is required', () => {
    expect(settleSecrets(password(), [{}], true).size).toBe(0)
    expect(settleSecrets(password({ required: true }), [{}], false).size).toBe(0)
    expect(fault(() => settleSecrets(password({ required: true }), [{}], true))).toEqual([
      'variable_required',
      expect.stringContaining('--secret-file'),
    ])
  })

  it.each([
    ['nothing', ''],
    ['a list', ['hunter2']],
    ['a map', { user: 'hunter2' }],
    ['a name of no secret', { secret: 'hunter2 3' }],
  ])('is refused as %s, in words that do not hold it', (_what, value) => {
    const told = fault(() => settleSecrets(password(), [{ PASSWORD: value }], true))
    expect(told).toEqual(['plan_invalid', expect.not.stringContaining('hunter2')])
  })

  it('that is kept cannot be named by anybody, and stands for nothing where none is kept', () => {
    expect(variablesSchema.safeParse([{ name: 'A', type: 'secret', value: { secret: own } }]).success).toBe(
      false,
    )
    expect(fault(() => settleSecrets(password({ value: UNCHANGED }), [], false))).toEqual([
      'plan_invalid',
      expect.stringContaining('there is none'),
    ])
  })

  it('is set by no script: it cannot be changeable', () => {
    expect(variablesSchema.safeParse([{ name: 'A', type: 'secret', changeable: true }]).success).toBe(false)
  })

  it('is shown as stars if it is an own one, and by its name if the store has it', () => {
    const kept = [{ ...password()[0]!, value: { secret: own } }]
    expect(showVariables(kept)[0]?.value).toBe(UNCHANGED)
    const values = { A: { secret: own }, B: { secret: 'db@3' }, C: 'text', MAP: { secret: own } }
    expect(showValues(values, ['A', 'B'])).toEqual({ ...values, A: UNCHANGED })
    const map = variablesSchema.parse([{ name: 'MAP', type: 'map', value: { secret: own } }])
    expect(showVariables(map)).toEqual(map)
    expect([showFrozen(frozen), showFrozen({ ...frozen, secret: own })]).toEqual(['db@3', UNCHANGED])
  })

  it('is lost by a sync where the variable is no secret any more, and no plain one becomes a secret', () => {
    const plain = (type: string) => variablesSchema.parse([{ name: 'PASSWORD', type }])
    const dropped = (variables: VariableInput[], value: Value, secret: string[]) =>
      syncValues(variables, { values: { PASSWORD: value }, secret }).droppedValues
    for (const value of [{ secret: own }, { secret: 'db' }]) {
      expect(dropped(password(), value, ['PASSWORD'])).toEqual([])
      expect(dropped(plain('map'), value, ['PASSWORD'])).toEqual(['PASSWORD'])
      expect(dropped(plain('string'), value, ['PASSWORD'])).toEqual(['PASSWORD'])
      expect(dropped(password(), value, [])).toEqual(['PASSWORD'])
      expect(dropped(plain('map'), value, [])).toEqual([])
    }
    expect(dropped(password(), 'plain', [])).toEqual(['PASSWORD'])
  })

  it('names nothing that is kept of somebody, and a map may hold what looks like its name', () => {
    const given = { PASSWORD: { secret: own } }
    expect(fault(() => checkNoneKept(password(), given))).toEqual([
      'plan_invalid',
      expect.stringContaining('the value of PASSWORD names no secret of the store'),
    ])
    const map = variablesSchema.parse([{ name: 'PASSWORD', type: 'map', value: given.PASSWORD }])
    expect(fault(() => checkNoneKept(map, given))).toBeUndefined()
    expect(fault(() => checkNoneKept(password(), { PASSWORD: { secret: 'db' } }))).toBeUndefined()
  })

  it('cites the secret that it names, whatever version', () => {
    expect(citedByValues(password(), { PASSWORD: { secret: 'db@3' }, OTHER: { secret: 'x' } })).toEqual([
      'db',
    ])
    expect(citedByValues(password(), { PASSWORD: { secret: own } })).toEqual([own])
  })
})

describe('a plan with a secret variable', () => {
  const variables = [{ name: 'PASSWORD', type: 'secret', value: { secret: 'db' } }]

  it('gives its frozen version to every script step, and to no field of one', () => {
    const { plan } = compile({
      variables,
      steps: [
        { name: 'one', script: 'true' },
        { name: 'two', script: 'true', secrets: { OTHER: 'db@3' } },
        { name: 'three', type: 'wait', durationMs: 1_000 },
      ],
    })
    expect(plan).toMatchObject({
      irVersion: 3,
      secrets: { PASSWORD: frozen },
      steps: [{ secrets: { PASSWORD: frozen } }, { secrets: { PASSWORD: frozen, OTHER: frozen } }, {}],
    })
    expect(plan.variables).toBeUndefined()
    expect(
      fault(() => compile({ variables, steps: [{ name: 'a', script: 'true', arguments: ['${PASSWORD}'] }] })),
    ).toEqual(['plan_invalid', expect.stringContaining('is a secret')])
  })

  it.each([
    ['a secret of the step', { secrets: { PASSWORD: 'db' } }],
    ['the environment', { environment: { PASSWORD: 'x' } }],
    ['the name of its file', { environment: { PASSWORD_FILE: 'x' } }],
    [
      'too many together',
      { secrets: Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`S${at}`, 'db'])) },
    ],
  ])('is refused beside %s', (_what, fields) => {
    const steps = [{ name: 'a', script: 'true', ...fields }]
    expect(fault(() => compile({ variables, steps }))).toEqual(['plan_invalid', expect.anything()])
  })

  it.each([
    ['a secret of the step', { secrets: { PASSWORD: 'db' } }],
    ['the environment', { environment: { PASSWORD: 'x' } }],
    ['the name of its file', { environment: { PASSWORD_FILE: 'x' } }],
  ])('has its name for itself, where it has no value yet, too: not %s', (_what, fields) => {
    const steps = [{ name: 'a', script: 'true', ...fields }]
    const named = [{ name: 'PASSWORD', type: 'secret' }]
    expect(fault(() => compile({ variables: named, steps }))).toEqual(['plan_invalid', expect.anything()])
  })

  it('holds no value that came with the launch: it is named, and kept in its place', () => {
    const { plan, given } = compile({ variables }, { launch: { PASSWORD: 'hunter2' } })
    expect(given).toEqual(new Map([['PASSWORD', 'hunter2']]))
    expect(JSON.stringify(plan)).not.toContain('hunter2')
    const kept = { secret: own, version: 1, id: '18' }
    expect(withKept(plan, new Map([['PASSWORD', kept]]))).toMatchObject({
      secrets: { PASSWORD: kept },
      steps: [{ secrets: { PASSWORD: kept } }],
    })
  })

  it('has another digest with another version, and the same whatever came with the launch', () => {
    const digest = (values?: LaunchValues) =>
      digestText({
        plan: compile({ variables }, values).plan,
        targets: freezeTargets([], []),
        expiresInMs: 1,
      })
    expect(digest({ launch: { PASSWORD: 'a' } })).toBe(digest({ launch: { PASSWORD: 'b' } }))
    expect(digest({ launch: { PASSWORD: 'a' } })).not.toBe(digest({ launch: {} }))
    expect(digest({ own: { PASSWORD: { secret: own } } })).not.toBe(digest({ launch: {} }))
  })
})
