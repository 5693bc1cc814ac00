/** What a gateway makes of an agent's word: the hashes of output, and when a script began. */
import { sha256, Started, TaskState, TaskUpdate } from '../../proto/index'
import type { Session, SessionTask } from '../session/session'
import { toHostUpdate } from './task-updates'

const session = { hostId: '7', epoch: '1' } as unknown as Session
const task = { scopeId: '1', executionId: '1', stepExecutionId: '1', attempt: 1 } as unknown as SessionTask
const hash = (text: string) => sha256(Buffer.from(text))

interface Told {
  normalised?: string
  rules?: number
}

function learn(stdout: Told, stderr: Told = { normalised: '', rules: 1 }) {
  const summary = (exact: string, { normalised, rules = 0 }: Told) => ({
    sha256: hash(exact),
    normalisedSha256: normalised === undefined ? Buffer.alloc(0) : hash(normalised),
    normalisedRules: rules,
  })
  const state = TaskState.TASK_STATE_EXITED
  const streams = { stdout: summary('out', stdout), stderr: summary('', stderr) }
  const update = TaskUpdate.fromPartial({ state, exitCode: 0, ...streams })
  return toHostUpdate(session, task, update, 'g')
}

describe('output that an agent tells of', () => {
  it('is compared as it is where nothing was taken out of it, whatever the rules', () => {
    const one = learn({ normalised: 'out', rules: 1 })
    const two = learn({ normalised: 'out', rules: 2 }, { normalised: '', rules: 2 })
    expect(one?.normalisedSha256).toEqual(one?.outputSha256)
    expect(two?.normalisedSha256).toEqual(one?.outputSha256)
  })

  it('is compared by the same rules only where something was', () => {
    const one = learn({ normalised: 'o', rules: 1 })?.normalisedSha256
    const two = learn({ normalised: 'o', rules: 2 }, { normalised: '', rules: 2 })?.normalisedSha256
    expect(one).toHaveLength(32)
    expect(learn({ normalised: 'o', rules: 1 })?.normalisedSha256).toEqual(one)
    expect(learn({ normalised: 'p', rules: 1 })?.normalisedSha256).not.toEqual(one)
    expect(two).not.toEqual(one)
  })

  it.each<[string, Told, Told]>([
    ['an agent that does not normalise', {}, {}],
    ['one of two streams', { normalised: 'o', rules: 1 }, {}],
    ['two rules at once', { normalised: 'o', rules: 1 }, { normalised: '', rules: 2 }],
    ['a hash without rules', { normalised: 'o', rules: 0 }, { normalised: '', rules: 0 }],
  ])('has no normalised hash from %s', (_what, stdout, stderr) => {
    const update = learn(stdout, stderr)
    expect(update?.normalisedSha256).toBeUndefined()
    expect(update?.outputSha256).toHaveLength(32)
  })
})

describe('when a script began', () => {
  const { TASK_STATE_RUNNING, TASK_STATE_EXITED, TASK_STATE_CANCELLED, TASK_STATE_INTERRUPTED } = TaskState
  it.each<[string, Partial<TaskUpdate>, number | undefined]>([
    ['is told while it runs', { state: TASK_STATE_RUNNING, startedAgoMs: 70n }, 70],
    [
      'is as long before its end as it ran',
      { state: TASK_STATE_EXITED, exitCode: 0, durationMs: 1_500n },
      1_500,
    ],
    [
      'is what an end says of it',
      { state: TASK_STATE_EXITED, startedAgoMs: 9_000n, durationMs: 1_500n },
      9_000,
    ],
    [
      'is nothing where it never did',
      { state: TASK_STATE_CANCELLED, started: Started.STARTED_NO },
      undefined,
    ],
    ['is nothing where its end was not seen', { state: TASK_STATE_INTERRUPTED }, undefined],
    [
      'is bounded, whatever an agent says',
      { state: TASK_STATE_EXITED, durationMs: 2n ** 63n },
      366 * 86_400_000,
    ],
  ])('%s', (_what, update, agoMs) => {
    expect(toHostUpdate(session, task, TaskUpdate.fromPartial(update), 'g')?.startedAgoMs).toBe(agoMs)
  })
})
