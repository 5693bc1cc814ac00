import { createHash } from 'node:crypto'
import type { PlatformError } from './errors.js'
import { compilePlan } from './plan.js'
import { concurrencyLimit } from './step/script-step.js'
import { planSchema } from './plan.schema.js'
import { SCRIPT_MAX_BYTES } from './script.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const compile = (step: Record<string, unknown>) =>
  compilePlan(planSchema.parse({ name: 'p', steps: [{ name: 's', script: 'true', ...step }] }), { sha256 })

function codeOf(step: Record<string, unknown>): string | undefined {
  try {
    compile(step)
    return undefined
  } catch (error) {
    return (error as PlatformError).code
  }
}

describe('compiling a plan', () => {
  it('keeps texts apart, by hash, once', () => {
    const input = planSchema.parse({
      name: 'p',
      steps: ['a', 'b'].map((name) => ({ name, script: 'echo same' })),
    })
    const { plan, scripts } = compilePlan(input, { sha256 })
    expect([...scripts.values()]).toEqual(['echo same'])
    expect(JSON.stringify(plan)).not.toContain('echo')
    expect(plan.steps.map((step) => step.type === 'script' && step.scriptSha256)).toEqual([
      sha256('echo same'),
      sha256('echo same'),
    ])
  })

  it.each<[string, Record<string, unknown>, string | undefined]>([
    ['takes a script of exactly 1 MiB', { script: 'x'.repeat(SCRIPT_MAX_BYTES) }, undefined],
    ['refuses one more byte', { script: 'x'.repeat(SCRIPT_MAX_BYTES + 1) }, 'script_too_large'],
    ['counts bytes and not characters', { script: '€'.repeat(SCRIPT_MAX_BYTES / 2) }, 'script_too_large'],
    ['refuses variables that change the interpreter', { environment: { LD_PRELOAD: 'x' } }, 'plan_invalid'],
    ['refuses variables of ours', { environment: { DROVER_TASK: 'x' } }, 'plan_invalid'],
    ['refuses names that are none', { environment: { 'a b': 'x' } }, 'plan_invalid'],
    ['refuses a relative working directory', { workingDirectory: 'tmp' }, 'plan_invalid'],
    ['refuses an account that could be an option', { account: '-rf' }, 'plan_invalid'],
    [
      'refuses a plan that a history could not carry',
      {
        environment: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`V${i}`, 'x'.repeat(30_000)])),
      },
      'plan_too_large',
    ],
  ])('%s', (_name, step, code) => {
    expect(codeOf(step)).toBe(code)
  })
})

describe('what takes steps back', () => {
  const plan = (...steps: Record<string, unknown>[]) =>
    compilePlan(planSchema.parse({ name: 'p', steps: steps.map((step) => ({ script: 'true', ...step })) }), {
      sha256,
    }).plan

  it('stands after the steps, newest first, under the account of its step', () => {
    const { steps, irVersion } = plan(
      { name: 'a', account: 'web', undo: { script: 'back a' } },
      { name: 'plain' },
      { name: 'b', account: 'web', undo: { script: 'back b', account: 'db', timeoutMs: 5_000 } },
    )
    expect(steps.map(({ name }) => name)).toEqual(['a', 'plain', 'b', 'undo of b', 'undo of a'])
    expect(steps.slice(3)).toMatchObject([
      { undoes: 2, account: 'db', timeoutMs: 5_000, scriptSha256: sha256('back b') },
      { undoes: 0, account: 'web', scriptSha256: sha256('back a') },
    ])
    expect(steps[0]).not.toHaveProperty('undo')
    // A worker that knows no undo would go through it as through any step.
    expect(irVersion).toBe(4)
    expect(plan({ name: 'a' }).irVersion).toBe(2)
  })

  it('is checked as a step is', () => {
    expect(codeOf({ undo: { script: 'true', account: '-rf' } })).toBe('plan_invalid')
    expect(codeOf({ undo: { script: 'true', environment: { LD_PRELOAD: 'x' } } })).toBe('plan_invalid')
    const refused = (undo: unknown) =>
      planSchema.safeParse({ name: 'p', steps: [{ name: 's', script: 'true', undo }] }).success
    expect(refused({ type: 'wait', durationMs: 1_000 })).toBe(false)
    expect(refused({ script: 'true', undo: { script: 'true' } })).toBe(false)
    expect(refused({ script: 'true', when: 'true' })).toBe(false)
    expect(refused({ script: 'true', target: '*' })).toBe(false)
    expect(codeOf({ undo: { script: '# job_import {{JOB_LAST_ALL}}' } })).toBe('plan_invalid')
    expect(refused({ script: 'true', uses: 'deploy' })).toBe(false)
    expect(refused({})).toBe(false)
  })
})

describe('the version of a compiled plan', () => {
  const step = (more: object = {}) => ({ name: 's', script: 'true', ...more })
  it.each<[number, object[], object[]]>([
    [2, [step()], []],
    [3, [step()], [{ name: 'A' }]],
    [4, [step({ target: 'name:web-1' })], []],
    [4, [step(), step({ target: 'last:failed' })], []],
    [4, [step(), step({ script: '# job_import {{JOB_LAST_ALL}}' })], []],
    [4, [step()], [{ name: 'WEB', type: 'hostList' }]],
  ])('is %d, the first that knows all that is in it: %j', (version, steps, variables) => {
    const { plan } = compilePlan(planSchema.parse({ name: 'p', steps, variables }), { sha256 })
    expect(plan.irVersion).toBe(version)
  })
})

describe('the concurrency of a step', () => {
  it.each([
    [undefined, 40, 40],
    [10, 40, 10],
    [100, 40, 40],
    ['25%', 40, 10],
    ['1%', 40, 1],
    ['100%', 3, 3],
  ])('%p of %d hosts is %d', (concurrency, hosts, limit) => {
    expect(concurrencyLimit(concurrency, hosts)).toBe(limit)
  })
})
