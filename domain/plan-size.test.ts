import { jobStepsSchema } from './job.schema.js'
import { RUN_MAX_STEPS } from './nested-plan.js'
import { NESTED_MAX_CHARACTERS, NestedSize } from './plan-size.js'

const scripts = (count: number) =>
  jobStepsSchema.parse(Array.from({ length: count }, (_, n) => ({ name: `s${n}`, script: 'true' })))
const brings = jobStepsSchema.parse([{ type: 'plan', name: 'in', plan: 'a/x@1' }])

describe('the size of nested plans', () => {
  it('is that of their steps and of those around them, and not of the steps that bring plans', () => {
    const size = new NestedSize([...brings, ...scripts(50)])
    for (let left = RUN_MAX_STEPS - 50; left > 0; left -= 50) size.add({ steps: scripts(50) }, 1)
    size.add({ steps: brings }, 1)
    expect(() => size.add({ steps: scripts(1) }, 1)).toThrow('over 200 steps')
  })

  it('is that of all that was read of them', () => {
    const size = new NestedSize(brings)
    size.add({ steps: scripts(1) }, NESTED_MAX_CHARACTERS)
    expect(() => size.add({ steps: brings }, 1)).toThrow('over 32 MiB together')
  })
})
