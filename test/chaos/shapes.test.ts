/** Shapes of the load: where a step comes with a plan of its own, values go in and out of it as without. */
import { createHash } from 'node:crypto'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { jobStepsSchema } from '../../domain/job.schema'
import { sourcesOf } from '../../domain/variable-source'
import { variablesSchema } from '../../domain/variable.schema'
import { EffectFiles } from './effects'
import { planOf, shapes } from './shapes'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('the load', () => {
  const effects = new EffectFiles()
  afterAll(() => effects.remove())

  it('has runs a step of which comes with a plan, and hands the variables on', async () => {
    const all = shapes({ effects, random: Math.random, longest: 1 }, ['a', 'b'])
    let shape = all.next().value
    for (let n = 0; n < 200 && shape.name !== 'nested'; n++) shape = all.next().value
    const nested = new Map()
    const plan = await planOf(shape, (steps, variables) => {
      const kept = { steps: jobStepsSchema.parse(steps), variables: variablesSchema.parse(variables) }
      nested.set('inner/p@1', { ...kept, values: {} })
      return Promise.resolve('inner/p@1')
    })
    const compiled = compilePlan(planSchema.parse(plan), { sha256, nested }).plan
    expect(compiled.steps).toHaveLength(shape.steps.length)
    expect(compiled.nested).toMatchObject([{ first: shape.nested, end: (shape.nested ?? 0) + 1 }])
    // What it is after the last step was set by any of the three.
    for (const name of ['RUN_LAST', 'HOST_LAST'])
      expect(
        sourcesOf(compiled, { name }, 3).reduce((sum, { first, last }) => sum + last - first + 1, 0),
      ).toBe(3)
  })
})
