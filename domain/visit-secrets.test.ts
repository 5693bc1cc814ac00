import { createHash } from 'node:crypto'
import type { PlatformError } from './errors.js'
import { freezeTargets } from './frozen-targets.js'
import type { NestablePlan } from './inline-plans.js'
import { jobStepsSchema } from './job.schema.js'
import { digestText } from './launch-digest.js'
import { type Compilation, compilePlan, type LaunchValues, withKept } from './plan.js'
import { planSchema } from './plan.schema.js'
import { ownValueName, showFrozen, UNCHANGED } from './secret-variable.js'
import { type Values, variablesSchema } from './variable.schema.js'
import { secretsIn, usesGiven, usesInVisit } from './visit-secrets.js'

const own = ownValueName('11111111-1111-4111-8111-111111111111')
const frozen = { secret: 'db', version: 3, id: '17' }
const kept = { secret: own, version: 1, id: '18' }
const secrets = new Map([
  ['db', frozen],
  ['db@2', { secret: 'db', version: 2, id: '16' }],
  [own, kept],
])
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const script = (name: string, more: object = {}) => ({ name, script: `echo ${name}`, ...more })
const brings = (more: object = {}, plan = 'base/p@1') => ({ type: 'plan', name: 'in', plan, ...more })
const secret = (name: string, more: object = {}) => ({ name, type: 'secret', ...more })

const nestable = (
  variables: object[],
  values: Values = {},
  steps: object[] = [script('one')],
): NestablePlan => ({
  steps: jobStepsSchema.parse(steps),
  variables: variablesSchema.parse(variables),
  values,
})

function compile(
  plan: { steps: object[]; variables?: object[] },
  nested: Record<string, NestablePlan>,
  values: LaunchValues = { launch: {} },
): Compilation {
  const found = { sha256, secrets, nested: new Map(Object.entries(nested)) }
  return compilePlan(planSchema.parse({ name: 'p', ...plan }), found, values)
}

function refusal(...of: Parameters<typeof compile>): string {
  try {
    compile(...of)
    return 'none'
  } catch (error) {
    return `${(error as PlatformError).code}: ${(error as Error).message}`
  }
}

const given = ({ plan }: Compilation) =>
  Object.fromEntries(
    plan.steps.flatMap((step) =>
      step.type === 'script'
        ? [[step.name, Object.entries(step.secrets ?? {}).map(([as, one]) => `${as}=${showFrozen(one)}`)]]
        : [],
    ),
  )

describe('a secret variable of a nested plan', () => {
  const named = { values: { PW: { secret: 'db@2' } } }
  const definition = { value: { secret: 'db' } }
  it.each<[string, { step?: object; plan?: Values; job?: object }, string[]]>([
    ['what its step names', { step: named, plan: { PW: { secret: own } } }, ['PW=db@2']],
    ['what the plan was given', { plan: { PW: { secret: own } }, job: definition }, [`PW=${UNCHANGED}`]],
    ['what its definition names', { job: definition }, ['PW=db@3']],
    ['nothing, where nothing is said', {}, []],
  ])('is %s', (_what, { step, plan, job }, told) => {
    const nested = { 'base/p@1': nestable([secret('PW', job)], plan) }
    expect(given(compile({ steps: [brings(step)] }, nested))).toEqual({ 'in/one': told })
  })

  it('is the one that it follows, however deep, also where that comes with the launch, and is known to no other step', () => {
    const nested = {
      'base/p@1': nestable([secret('PW', { required: true })]),
      'mid/p@1': nestable([secret('MID'), secret('OUT', { value: { secret: 'db' } })], {}, [
        brings({ follows: { PW: 'MID' } }),
        script('own'),
      ]),
    }
    const variables = [secret('OUT'), secret('UNSEEN', { value: { secret: 'db' } })]
    const steps = [script('first'), brings({ follows: { MID: 'OUT' } }, 'mid/p@1')]
    const compiled = compile({ steps, variables }, nested, { launch: { OUT: 'hunter2' } })
    expect(given(compiled)).toEqual({
      first: [`OUT=${UNCHANGED}`, 'UNSEEN=db@3'],
      'in/in/one': [`PW=${UNCHANGED}`],
      'in/own': ['OUT=db@3', `MID=${UNCHANGED}`],
    })
    const { plan } = compiled
    expect(plan.irVersion).toBe(4)
    expect(JSON.stringify(plan)).not.toContain('hunter2')
    // The same name in a visit is another variable: what was kept goes where it is followed alone.
    const whole = withKept(plan, new Map([['OUT', kept]]))
    expect(secretsIn(whole).map(({ name, within, frozen: one }) => [name, within, one.secret])).toEqual([
      ['OUT', undefined, own],
      ['UNSEEN', undefined, 'db'],
      ['MID', 0, own],
      ['OUT', 0, 'db'],
      ['PW', 1, own],
    ])
    expect(JSON.stringify(whole.steps)).not.toContain('"secret":""')
    expect(whole.steps.map((step) => step.type === 'script' && Object.keys(step.secrets ?? {}))).toEqual([
      ['OUT', 'UNSEEN'],
      ['PW'],
      ['OUT', 'MID'],
    ])
  })

  it.each<[string, object, object[], string]>([
    ['a text', { values: { PW: 'hunter2' } }, [], 'plan_invalid: step 1 "in": PW of base/p@1 is a secret'],
    ['stars', { values: { PW: UNCHANGED } }, [], 'plan_invalid: step 1 "in": PW of base/p@1 is a secret'],
    ['a map', { values: { PW: { user: 'x' } } }, [], 'plan_invalid'],
    ['both', { values: { PW: { secret: 'db' } }, follows: { PW: 'S' } }, [secret('S')], 'plan_invalid'],
    ['a string that it follows', { follows: { PW: 'S' } }, [{ name: 'S', value: 'x' }], 'one type'],
    ['what is not there', { follows: { PW: 'NONE' } }, [], 'variable_unknown'],
    ['handing it back', { handsBack: { PW: 'S' } }, [secret('S')], 'PW is not changeable'],
    ['being followed by a string', { follows: { A: 'S' } }, [secret('S')], 'one type'],
  ])('is refused with %s, in words that do not hold it', (_what, more, variables, words) => {
    const nested = { 'base/p@1': nestable([secret('PW'), { name: 'A' }]) }
    const told = refusal({ steps: [brings(more)], variables }, nested)
    expect(told).toContain(words)
    expect(told).not.toContain('hunter2')
  })

  it('must have a value where it is required: at once, or by the launch where it follows', () => {
    const nested = { 'base/p@1': nestable([secret('PW', { required: true })]) }
    expect(refusal({ steps: [brings()] }, nested, {})).toContain(
      'variable_required: step 1 "in": PW of base/p@1',
    )
    const following = { steps: [brings({ follows: { PW: 'S' } })], variables: [secret('S')] }
    expect(refusal(following, nested, {})).toBe('none')
    expect(refusal(following, nested)).toContain('variable_required')
    expect(refusal(following, nested, { launch: { S: 'x' } })).toBe('none')
    expect(refusal({ steps: [brings({ values: { PW: { secret: 'db' } } })] }, nested, {})).toBe('none')
  })

  it('is in no condition and in no field of its steps', () => {
    const of = (fields: object) => ({
      'base/p@1': nestable([secret('PW', { value: { secret: 'db' } })], {}, [script('one', fields)]),
    })
    expect(refusal({ steps: [brings()] }, of({ arguments: ['${PW}'] }))).toContain('PW is a secret')
    expect(refusal({ steps: [brings()] }, of({ when: 'vars.PW == "x"' }))).toContain('plan_invalid')
    expect(refusal({ steps: [brings()] }, of({ secrets: { PW: 'db' } }))).toContain(
      'give one of them another name',
    )
  })

  it('has another digest with another version, and the same whatever came with the launch', () => {
    const nested = { 'base/p@1': nestable([secret('PW')]) }
    const digest = (more: object, launch: Values = {}) => {
      const compiled = compile({ steps: [brings(more)], variables: [secret('S')] }, nested, { launch })
      return digestText({ plan: compiled.plan, targets: freezeTargets([], []), expiresInMs: 1 })
    }
    const follows = { follows: { PW: 'S' } }
    expect(digest(follows, { S: 'a' })).toBe(digest(follows, { S: 'b' }))
    expect(digest(follows, { S: 'a' })).not.toBe(digest(follows))
    expect(digest({ values: { PW: { secret: 'db' } } })).not.toBe(
      digest({ values: { PW: { secret: 'db@2' } } }),
    )
  })

  it('is looked up where it counts: not where another one is named, or followed', () => {
    const nested = new Map([['base/p@1', nestable([secret('PW', { value: { secret: 'db' } })])]])
    const uses = (more: object) => usesInVisit(jobStepsSchema.parse([brings(more)])[0]!, nested)
    expect(uses({})).toEqual([{ use: 'db', variable: 'PW' }])
    expect(uses({ values: { PW: { secret: 'db@2' } } })).toEqual([{ use: 'db@2', variable: 'PW' }])
    expect(uses({ follows: { PW: 'S' } })).toEqual([])
    const [step] = jobStepsSchema.parse([brings({ values: { PW: { secret: 'db@2' }, A: 'x' } })])
    expect(usesGiven(step!)).toEqual(['db@2'])
  })

  it('is given to what takes the steps of its plan back, too', () => {
    const nested = {
      'base/p@1': nestable([secret('PW', { value: { secret: 'db' } })], {}, [
        script('one', { undo: { script: 'true' } }),
      ]),
    }
    const steps = [
      script('first', { undo: { script: 'true' } }),
      brings({ values: { PW: { secret: 'db@2' } } }),
    ]
    expect(given(compile({ steps, variables: [secret('S')] }, nested, { launch: { S: 'x' } }))).toEqual({
      first: [`S=${UNCHANGED}`],
      'in/one': ['PW=db@2'],
      'in/undo of one': ['PW=db@2'],
      'undo of first': [`S=${UNCHANGED}`],
    })
  })
})
