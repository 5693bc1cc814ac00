import { createHash } from 'node:crypto'
import type { PlatformError } from './errors.js'
import type { NestablePlan } from './inline-plans.js'
import { jobStepsSchema } from './job.schema.js'
import {
  conditionsOf,
  isConditional,
  isLeft,
  leftOnFailure,
  onFailureOf,
  outcomesBefore,
} from './nested-plan.js'
import { type CompiledPlan, compilePlan } from './plan.js'
import { planSchema } from './plan.schema.js'
import { sourcesOf } from './variable-source.js'
import { type Values, variablesSchema } from './variable.schema.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const script = (name: string, more: object = {}) => ({ name, script: `echo ${name}`, ...more })
const brings = (name: string, plan: string, more: object = {}) => ({ type: 'plan', name, plan, ...more })

function plan(steps: object[], variables: object[] = [], values: Values = {}): NestablePlan {
  return { steps: jobStepsSchema.parse(steps), variables: variablesSchema.parse(variables), values }
}

interface Root {
  steps: object[]
  variables?: object[]
  nested?: Record<string, NestablePlan>
  launch?: Values
  ofJob?: string
}

function compile({ steps, variables, nested = {}, launch = {}, ofJob }: Root): CompiledPlan {
  const input = planSchema.parse({ name: 'p', steps, ...(variables ? { variables } : {}) })
  const found = { sha256, nested: new Map(Object.entries(nested)) }
  return compilePlan(ofJob === undefined ? input : { ...input, ofJob }, found, { launch }).plan
}

function refusal(root: Root): string {
  try {
    compile(root)
    return 'none'
  } catch (error) {
    return `${(error as PlatformError).code}: ${(error as Error).message}`
  }
}

const leaf = plan([script('drain'), script('check')])

describe('a plan as a step', () => {
  it('gives the run its steps, in its place and under its name', () => {
    const { steps, nested, irVersion } = compile({
      steps: [script('first'), brings('prepare', 'base/x@3'), script('last')],
      nested: { 'base/x@3': leaf },
    })
    expect(steps.map(({ name, path, within }) => [name, path, within])).toEqual([
      ['first', undefined, undefined],
      ['prepare/drain', '1.0', 0],
      ['prepare/check', '1.1', 0],
      ['last', '2', undefined],
    ])
    expect(nested).toEqual([{ name: 'prepare', plan: 'base/x@3', first: 1, end: 3, onFailure: 'stop' }])
    expect(irVersion).toBe(4)
  })

  it('may be one of a plan that is a step itself, and may come twice', () => {
    const nested = { 'a/x@1': plan([brings('in', 'b/y@1'), script('own')]), 'b/y@1': leaf }
    const { steps } = compile({ steps: [brings('one', 'a/x@1'), brings('two', 'b/y@1')], nested })
    expect(steps.map(({ name, path }) => [name, path])).toEqual([
      ['one/in/drain', '0.0.0'],
      ['one/in/check', '0.0.1'],
      ['one/own', '0.1'],
      ['two/drain', '1.0'],
      ['two/check', '1.1'],
    ])
  })

  it('is refused in a circle, too deep, and with too many steps', () => {
    const circle = { 'a/x@1': plan([brings('in', 'b/y@1')]), 'b/y@1': plan([brings('out', 'a/x@1')]) }
    expect(refusal({ steps: [brings('s', 'a/x@1')], nested: circle })).toMatch(/^plan_circular: .*a → b → a/)
    expect(refusal({ steps: [brings('s', 'a/x@1')], nested: { 'a/x@1': leaf }, ofJob: 'a' })).toMatch(
      'plan_circular',
    )
    const jobs = ['a', 'b', 'c', 'd', 'e', 'f']
    const tower = (deep: number) =>
      Object.fromEntries(
        jobs
          .slice(0, deep)
          .map((job, at) => [
            `${job}/x@1`,
            at === deep - 1 ? leaf : plan([brings('in', `${jobs[at + 1]}/x@1`)]),
          ]),
      )
    expect(refusal({ steps: [brings('s', 'a/x@1')], nested: tower(5) })).toBe('none')
    expect(refusal({ steps: [brings('s', 'a/x@1')], nested: tower(6) })).toMatch('plan_too_deep')
    const wide = plan(Array.from({ length: 60 }, (_, n) => script(`s${n}`)))
    const four = ['a', 'b', 'c', 'd'].map((name) => brings(name, 'a/x@1'))
    expect(refusal({ steps: four, nested: { 'a/x@1': wide } })).toMatch('plan_too_large')
  })

  it('is refused with variables that come to too much, before every visit has its copy of them', () => {
    const text = 'x'.repeat(70_000)
    const holds = { 'a/x@1': plan([script('one')], [{ name: 'TEXT', value: text }]) }
    const visits = (count: number) => Array.from({ length: count }, (_, n) => brings(`n${n}`, 'a/x@1'))
    expect(refusal({ steps: visits(2), nested: holds })).toBe('none')
    // What comes after the third is not even looked at.
    const steps = [...visits(3), brings('unknown', 'b/y@1')]
    expect(refusal({ steps, nested: holds })).toMatch(/^plan_too_large: .*over 200000 characters/)
  })

  it('gives its steps no more time than its own limit', () => {
    const steps = [
      script('short', { timeoutMs: 100 }),
      script('long', { timeoutMs: 9_000 }),
      script('told', { timeoutMs: '${LIMIT}' }),
    ]
    const inner = plan([brings('in', 'b/y@1', { stepTimeoutMs: 60_000 })])
    const compiled = compile({
      steps: [brings('s', 'a/x@1', { stepTimeoutMs: 5_000 })],
      nested: { 'a/x@1': inner, 'b/y@1': plan(steps, [{ name: 'LIMIT' }]) },
    })
    expect(compiled.steps.map((step) => 'timeoutMs' in step && step.timeoutMs)).toEqual([
      100,
      5_000,
      '${LIMIT}',
    ])
    expect(compiled.steps[2]).toMatchObject({ timeoutMaxMs: 5_000 })
  })
})

describe('the variables of a nested plan', () => {
  const inner = plan(
    [script('build', { arguments: ['${A}'] })],
    [
      { name: 'A', value: 'job' },
      { name: 'B', value: 'job' },
      { name: 'C', changeable: true },
    ],
    { B: 'plan' },
  )
  const nested = { 'a/x@1': inner }
  const variables = [
    { name: 'A', value: 'outer' },
    { name: 'OUT', changeable: true },
    { name: 'L', type: 'list' },
  ]
  const values = (more: object, launch: Values = {}) =>
    compile({ steps: [brings('s', 'a/x@1', more)], variables, nested, launch }).variables?.map(
      ({ name, value, within }) => `${within ?? 'run'} ${name}=${JSON.stringify(value).replaceAll('"', '')}`,
    )

  it('have what its step says, else what they follow, else its own; and never those of the same name outside', () => {
    const outer = ['run A=outer', 'run OUT=', 'run L=[]']
    expect(values({})).toEqual([...outer, '0 A=job', '0 B=plan', '0 C='])
    expect(values({ values: { A: 'step', B: 'step' } })).toEqual([...outer, '0 A=step', '0 B=step', '0 C='])
    expect(values({ follows: { B: 'A' } }, { A: 'launch' })).toEqual([
      'run A=launch',
      'run OUT=',
      'run L=[]',
      '0 A=job',
      '0 B=launch',
      '0 C=',
    ])
  })

  it.each([
    ['a value for one that it has not', { values: { NONE: 'x' } }, 'variable_unknown'],
    ['a value of another type', { values: { A: ['x'] } }, 'plan_invalid'],
    ['both a value and one to follow', { values: { A: 'x' }, follows: { A: 'A' } }, 'plan_invalid'],
    ['one to follow that is not there', { follows: { A: 'NONE' } }, 'variable_unknown'],
    ['one to follow of another type', { follows: { A: 'L' } }, 'plan_invalid'],
    ['one handed back that nobody can change', { handsBack: { A: 'OUT' } }, 'plan_invalid'],
    ['one handed back to what nobody can change', { handsBack: { C: 'A' } }, 'plan_invalid'],
    ['two handed back to one', { handsBack: { C: 'OUT', B: 'OUT' } }, 'plan_invalid'],
    ['a condition on a variable of its own', { when: 'variables.C == ""' }, 'plan_invalid'],
  ])('are refused with %s', (_what, more, code) => {
    expect(refusal({ steps: [brings('s', 'a/x@1', more)], variables, nested })).toMatch(code)
  })

  it('that are required must be given, unless what they follow may get a value', () => {
    const needs = { 'a/x@1': plan([script('s')], [{ name: 'A', required: true }]) }
    const variables = [{ name: 'FIXED' }, { name: 'LATER', changeable: true }]
    const of = (more: object) => refusal({ steps: [brings('s', 'a/x@1', more)], variables, nested: needs })
    expect(of({})).toMatch('variable_required')
    expect(of({ values: { A: '' } })).toMatch('variable_required')
    expect(of({ follows: { A: 'FIXED' } })).toMatch('variable_required')
    expect(of({ values: { A: 'x' } })).toBe('none')
    expect(of({ follows: { A: 'LATER' } })).toBe('none')
  })

  it('are looked for where they can have been set, and nowhere else', () => {
    const deep = plan([script('d1'), script('d2')], [{ name: 'X', changeable: true }])
    const mid = plan(
      [script('m1'), brings('in', 'b/y@1', { follows: { X: 'X' }, handsBack: { X: 'X' } }), script('m2')],
      [{ name: 'X', changeable: true }],
    )
    const compiled = compile({
      // 0: first, 1: m1, 2-3: d1 d2, 4: m2, 5: last
      steps: [
        script('first'),
        brings('s', 'a/x@1', { follows: { X: 'V' }, handsBack: { X: 'V' } }),
        script('last'),
      ],
      variables: [
        { name: 'V', changeable: true },
        { name: 'X', changeable: true },
      ],
      nested: { 'a/x@1': mid, 'b/y@1': deep },
    })
    const at = (name: string, within: number | undefined, before: number) =>
      sourcesOf(compiled, { name, ...(within === undefined ? {} : { within }) }, before).map(
        ({ name, first, last }) => `${name} ${first}-${last}`,
      )
    expect(at('V', undefined, 1)).toEqual(['V 0-0'])
    expect(at('X', 0, 1)).toEqual(['V 0-0'])
    expect(at('X', 1, 3)).toEqual(['X 2-2', 'X 1-1', 'V 0-0'])
    expect(at('X', 0, 4)).toEqual(['X 1-1', 'X 2-3', 'V 0-0'])
    expect(at('V', undefined, 5)).toEqual(['V 0-0', 'X 1-1', 'X 2-3', 'X 4-4'])
    expect(at('V', undefined, 6)).toEqual(['V 0-0', 'X 1-1', 'X 2-3', 'X 4-4', 'V 5-5'])
    // The run's own X is another one.
    expect(at('X', undefined, 5)).toEqual(['X 0-0'])
  })
})

describe('conditions around a nested plan', () => {
  const compiled = compile({
    steps: [
      script('first'),
      brings('s', 'a/x@1', { when: 'steps.first.failed == 0', onFailure: 'ignore' }),
      script('last', { when: 'steps.s.failed > 0 && steps.first.state != ""' }),
    ],
    nested: {
      'a/x@1': plan([
        script('a'),
        script('first', { when: 'steps.a.failed == 0' }),
        script('b', { onFailure: 'ignore' }),
      ]),
    },
  })

  it('hold for each of its steps, as they were when it began, before their own', () => {
    expect(conditionsOf(compiled, 2)).toEqual([
      { text: 'steps.first.failed == 0', within: undefined, before: 1 },
      { text: 'steps.a.failed == 0', within: 0, before: 2 },
    ])
    expect(conditionsOf(compiled, 1)).toHaveLength(1)
    expect(conditionsOf(compiled, 0)).toEqual([])
  })

  it('know the steps beside them by their own names, and a nested plan as one', () => {
    const ran = ['succeeded', 'failed', 'skipped', 'ignored', 'pending'].map((state, n) => ({
      state: state as 'failed',
      hosts: 2,
      counts: n === 1 ? { failed: 2 } : { succeeded: 2 },
    }))
    expect(outcomesBefore(compiled, ran, { within: 0, before: 3 }).map(({ name }) => name)).toEqual([
      'a',
      'first',
    ])
    expect(outcomesBefore(compiled, ran, { within: undefined, before: 4 })).toEqual([
      { name: 'first', state: 'succeeded', hosts: 2, counts: { succeeded: 2 } },
      { name: 's', state: 'failed', hosts: 6, counts: { failed: 2, succeeded: 4 } },
    ])
  })

  it('may not ask inside it', () => {
    const nested = { 'a/x@1': leaf }
    const steps = [brings('s', 'a/x@1'), script('last', { when: 'steps["s/drain"].failed > 0' })]
    expect(refusal({ steps, nested })).toMatch('plan_invalid')
  })

  it('failures of its steps are ignored by leaving it, but for those that are ignored anyway', () => {
    expect([1, 3, 4].map((position) => onFailureOf(compiled, position))).toEqual(['ignore', 'ignore', 'stop'])
    expect(leftOnFailure(compiled, 1)).toMatchObject({ name: 's', end: 4 })
    expect(leftOnFailure(compiled, 3)).toBeUndefined()
    const ran = (reason: string | null) => [
      { state: 'succeeded' as const, reason: null },
      { state: 'ignored' as const, reason },
    ]
    expect([2, 3, 4].map((position) => isLeft(compiled, position, ran(null)))).toEqual([true, true, false])
    expect(isLeft(compiled, 3, ran('variable_disagreement'))).toBe(true)
    // Who ignores one step by hand wants the ones after it.
    for (const reason of ['failure_ignored', 'step_ended'])
      expect(isLeft(compiled, 2, ran(reason))).toBe(false)
    expect([0, 1, 3].map((position) => isConditional(compiled, position))).toEqual([false, true, true])
  })
})

describe('what a nested plan says of hosts and of taking back', () => {
  const undo = { script: 'echo back' }
  const nested = {
    'base/x@1': plan(
      [script('drain', { undo, target: 'name:web-1' }), script('after', { target: 'last:failed' })],
      [{ name: 'A' }],
    ),
  }
  const root = {
    steps: [
      script('first', { undo }),
      brings('in', 'base/x@1', { onFailure: 'ignore', when: 'true', stepTimeoutMs: 1_000 }),
      script('last', { undo, target: 'step:first:all' }),
    ],
    nested,
  }

  it('stands in the run by positions: hosts of earlier steps, and what is taken back newest first', () => {
    const { steps, irVersion } = compile(root)
    expect(
      steps.map((step) => [
        step.name,
        step.type === 'script' ? [step.takes?.map((take) => take.step), step.undoes, step.within] : [],
      ]),
    ).toEqual([
      ['first', [undefined, undefined, undefined]],
      ['in/drain', [undefined, undefined, 0]],
      ['in/after', [[1], undefined, 0]],
      ['last', [[0], undefined, undefined]],
      ['undo of last', [undefined, 3, undefined]],
      ['in/undo of drain', [undefined, 1, 0]],
      ['undo of first', [undefined, 0, undefined]],
    ])
    expect(irVersion).toBe(4)
  })

  it('asks no condition of what takes its steps back, ignores none of its failures, and cuts none of its time', () => {
    const compiled = compile(root)
    expect([1, 5].map((position) => conditionsOf(compiled, position).length)).toEqual([1, 0])
    expect([1, 5].map((position) => isConditional(compiled, position))).toEqual([true, false])
    expect([1, 5].map((position) => onFailureOf(compiled, position))).toEqual(['ignore', 'stop'])
    expect([1, 5].map((position) => leftOnFailure(compiled, position)?.name)).toEqual(['in', undefined])
    expect([1, 5].map((position) => (compiled.steps[position] as { timeoutMs: number }).timeoutMs)).toEqual([
      1_000, 3_600_000,
    ])
  })

  it.each<[string, object, string]>([
    ['last', { target: 'last:failed' }, 'the step "in" brings a plan'],
    ['its name', { target: 'step:in:failed' }, 'the step "in" brings a plan'],
    ['the name of a step inside', { target: 'step:in/drain:failed' }, 'not the name of an earlier step'],
    ['an import', { script: '# job_import {{JOB_LAST_FAIL}}' }, 'the step "in" brings a plan'],
  ])('is taken out here by %s: it is refused', (_what, more, words) => {
    const told = refusal({ steps: [brings('in', 'base/x@1'), script('out', more)], nested })
    expect(told).toContain('plan_invalid')
    expect(told).toContain(words)
  })

  it('takes no hosts of a step outside', () => {
    const inner = { 'base/x@1': plan([script('one', { target: 'last:all' })]) }
    const told = refusal({ steps: [script('first'), brings('in', 'base/x@1')], nested: inner })
    expect(told).toContain('no step before it has hosts')
  })

  it('names host lists of its own, which may follow one around it, and hands none back', () => {
    const inner = {
      'base/x@1': plan([script('one', { target: '${WEB}' })], [{ name: 'WEB', type: 'hostList' }]),
    }
    const variables = [{ name: 'MINE', type: 'hostList', value: 'name:web-2' }]
    const of = (more: object) => ({ steps: [brings('in', 'base/x@1', more)], variables, nested: inner })
    const web = (more: object) => compile(of(more)).variables?.find(({ name }) => name === 'WEB')
    expect(web({ follows: { WEB: 'MINE' } })).toMatchObject({ value: 'name:web-2', within: 0 })
    expect(web({ values: { WEB: 'name:web-3' } })).toMatchObject({ value: 'name:web-3' })
    expect(refusal(of({ handsBack: { WEB: 'MINE' } }))).toContain('WEB is not changeable')
    expect(refusal(of({ values: { WEB: 'a b c(' } }))).toContain('plan_invalid')
    const unknown = { 'base/x@1': plan([script('one', { target: '${MINE}' })]) }
    expect(refusal({ ...of({}), nested: unknown })).toContain('there is no variable MINE')
  })

  it('hands values of single hosts back, which scripts may set in any case', () => {
    const inner = { 'base/x@1': plan([script('one')], [{ name: 'SLOT', type: 'perHost', required: true }]) }
    const steps = [brings('in', 'base/x@1', { follows: { SLOT: 'MINE' }, handsBack: { SLOT: 'MINE' } })]
    expect(refusal({ steps, variables: [{ name: 'MINE', type: 'perHost' }], nested: inner })).toBe('none')
  })
})
