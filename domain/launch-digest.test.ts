import { freezeTargets } from './frozen-targets.js'
import type { HostId } from './id.js'
import { compareSteps, digestText } from './launch-digest.js'
import type { CompiledScriptStep } from './step/script-step.js'
import type { CompiledStep } from './step/step.js'

const step = (more: Partial<CompiledScriptStep> = {}): CompiledScriptStep => ({
  type: 'script',
  name: 'one',
  language: 'bash',
  scriptSha256: 'ab',
  scriptBytes: 4,
  arguments: [],
  environment: {},
  workingDirectory: '',
  account: '',
  login: false,
  timeoutMs: 1,
  graceMs: 1,
  onFailure: 'stop',
  concurrency: undefined,
  ...more,
})
const hosts = ['1', '2'] as HostId[]
const digest = (steps: CompiledStep[], hostIds: HostId[], expiresInMs = 60_000) =>
  digestText({ plan: { irVersion: 1, name: 'p', steps }, targets: all(hostIds, steps), expiresInMs })
const all = (hostIds: HostId[], steps: readonly CompiledStep[]) =>
  freezeTargets(
    [],
    steps.map(() => hostIds.map((id) => ({ id, name: `web-${id}` }))),
  )

describe('the digest of a launch', () => {
  it('is the same whatever the order of fields', () => {
    const environment = { a: '1', b: '2' }
    const other = Object.fromEntries(Object.entries(step({ environment: { b: '2', a: '1' } })).reverse())
    expect(digest([other as unknown as CompiledStep], hosts)).toBe(digest([step({ environment })], hosts))
  })

  it.each<[string, CompiledStep[], HostId[]]>([
    ['another text', [step({ scriptSha256: 'cd' })], hosts],
    ['another account', [step({ account: 'root' })], hosts],
    ['another argument', [step({ arguments: ['-f'] })], hosts],
    ['another step', [step(), step({ name: 'two' })], hosts],
    ['another host', [step()], ['1', '3'] as HostId[]],
  ])('tells %s', (_what, steps, hostIds) => {
    expect(digest(steps, hostIds)).not.toBe(digest([step()], hosts))
  })

  it('tells which step goes where, however its target is written', () => {
    const [one, two] = [
      { id: '1' as HostId, name: 'a' },
      { id: '2' as HostId, name: 'b' },
    ]
    const text = (target: string, lists: { id: HostId; name: string }[][]) => {
      const plan = { irVersion: 1, name: 'p', steps: [step({ target }), step()] }
      return digestText({ plan, targets: freezeTargets([], lists), expiresInMs: 1 })
    }
    const first = text('name:a', [[one], [one, two]])
    expect(text('id:1', [[one], [one, two]])).toBe(first)
    expect(text('name:a', [[one, two], [one]])).not.toBe(first)
  })

  it('tells another life of the orders', () => {
    expect(digest([step()], hosts, 120_000)).not.toBe(digest([step()], hosts))
  })
})

describe('steps beside those of an earlier run', () => {
  it('are new, the same or changed, by their names', () => {
    const now = [step(), step({ name: 'two', timeoutMs: 2, account: 'root' }), step({ name: 'three' })]
    const before = [step({ name: 'two' }), step(), step({ name: 'gone' })]
    expect(compareSteps(now, before)).toEqual({
      changes: [
        { change: 'same', was: 1, fields: [] },
        { change: 'changed', was: 0, fields: ['account', 'timeoutMs'] },
        { change: 'new', was: null, fields: [] },
      ],
      removed: ['gone'],
    })
  })
})
