import type { PlatformError } from './errors.js'
import { chooseSteps, renewUses, syncChosen } from './job.js'
import { usesOf } from './step/step.js'
import { chosenSchema, jobStepsSchema } from './job.schema.js'

const steps = jobStepsSchema.parse(['stop', 'deploy', 'start'].map((name) => ({ name, script: 'true' })))
const names = (of: readonly { name: string }[]) => of.map((step) => step.name)
const codeOf = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return (error as PlatformError).code
  }
  return undefined
}

describe('the steps of a plan', () => {
  it('are those it chooses, in the order of the job', () => {
    expect(names(chooseSteps(steps, ['start', 'stop']))).toEqual(['stop', 'start'])
    expect(names(chooseSteps(steps, null))).toEqual(['stop', 'deploy', 'start'])
  })

  it('are refused when the job has no such step', () => {
    expect(codeOf(() => chooseSteps(steps, ['stop', 'gone']))).toBe('plan_invalid')
  })

  it('lose by a sync what the job has no more, and say so', () => {
    expect(syncChosen(steps, ['stop', 'gone'])).toEqual({ chosen: ['stop'], dropped: ['gone'] })
    expect(syncChosen(steps, null)).toEqual({ chosen: null, dropped: [] })
    expect(syncChosen(steps, ['gone'])).toBeUndefined()
  })
})

it('steps that name another version of a script are renewed, and no others', () => {
  const using = jobStepsSchema.parse(
    ['deploy@1', 'deploy', 'deploy@3', 'other@1'].map((uses, at) => ({ name: `s${at}`, uses })),
  )
  const { steps: renewed, changed } = renewUses(using, 'deploy', 3)
  expect(renewed.flatMap(usesOf)).toEqual(['deploy@3', 'deploy', 'deploy@3', 'other@1'])
  expect(changed).toEqual(['s0'])
})

it('renews what takes a step back, too', () => {
  const using = jobStepsSchema.parse([
    { name: 'a', script: 'true', undo: { uses: 'back@1' } },
    { name: 'b', uses: 'back@2', undo: { uses: 'back' } },
  ])
  const { steps: renewed, changed } = renewUses(using, 'back', 2)
  expect(renewed.flatMap(usesOf)).toEqual(['back@2', 'back@2', 'back'])
  expect(changed).toEqual(['a'])
})

describe('the shape of a job', () => {
  it.each([
    ['no step', []],
    [
      'two steps of one name',
      [
        { name: 'a', script: 'true' },
        { name: 'a', script: 'true' },
      ],
    ],
    ['a step without a text', [{ name: 'a' }]],
  ])('is refused with %s', (_what, value) => {
    expect(jobStepsSchema.safeParse(value).success).toBe(false)
  })

  it.each([[[]], [['a', 'a']], ['a']])('takes no choice such as %j', (value) => {
    expect(chosenSchema.safeParse(value).success).toBe(false)
  })
})
