/** What an operation on an ended execution does to its steps. */
import { editedStep, type EndedStep, planContinuation, stepsAhead } from './continuation.js'

const succeeded: EndedStep = { state: 'succeeded', counts: { succeeded: 3 } }
const failed: EndedStep = { state: 'failed', counts: { succeeded: 2, failed: 1 } }
const pending: EndedStep = { state: 'pending', counts: { pending: 3 } }
const cancelled: EndedStep = { state: 'cancelled', counts: { cancelled: 3 } }
const unknown: EndedStep = { state: 'failed', counts: { succeeded: 2, unknown: 1 } }
const unmet: EndedStep = { state: 'skipped', reason: 'condition_not_met', counts: { skipped: 3 } }
const untold: EndedStep = { state: 'failed', reason: 'condition_failed', counts: { skipped: 3 } }
// Of a nested plan whose failures are ignored.
const toldInPlan: EndedStep = { ...untold, state: 'ignored' }
const leftPlan: EndedStep = { state: 'skipped', reason: 'plan_left', counts: { skipped: 3 } }
const nobody: EndedStep = { state: 'skipped', reason: 'target_empty', counts: {} }
const left: EndedStep = { state: 'skipped', reason: 'step_skipped', counts: { skipped: 3 } }
const ignored: EndedStep = { state: 'ignored', counts: { succeeded: 2, timed_out: 1 } }

describe('planContinuation', () => {
  it.each([
    [
      'retries the failed step and leaves the ones around it',
      'retry',
      {},
      [succeeded, failed, pending],
      [{ position: 1, do: 'retry' }],
    ],
    [
      'asks a step again that had no host, after one that is retried',
      'retry',
      { step: 1 },
      [nobody, failed, nobody],
      [
        { position: 1, do: 'retry' },
        { position: 2, do: 'ask' },
      ],
    ],
    [
      'retries a step whose failure was ignored',
      'retry',
      {},
      [ignored, succeeded],
      [{ position: 0, do: 'retry' }],
    ],
    [
      'retries unknown hosts when they are named',
      'retry',
      { includeUnknown: true, unknownHosts: 1 },
      [unknown],
      [{ position: 0, do: 'retry' }],
    ],
    [
      'resumes every cancelled step',
      'resume',
      {},
      [succeeded, cancelled, cancelled],
      [
        { position: 1, do: 'resume' },
        { position: 2, do: 'resume' },
      ],
    ],
    [
      'skips one step and lets the cancelled ones after it run',
      'skip',
      { step: 0 },
      [cancelled, cancelled],
      [
        { position: 0, do: 'skip' },
        { position: 1, do: 'resume' },
      ],
    ],
    ['skips the last failed step', 'skip', { step: 1 }, [succeeded, failed], [{ position: 1, do: 'skip' }]],
    ['ignores the failed step', 'ignore', { step: 0 }, [failed, pending], [{ position: 0, do: 'ignore' }]],
    [
      'goes past the step that a cancel has ended, and lets those after it run',
      'next',
      {},
      [succeeded, cancelled, cancelled],
      [
        { position: 1, do: 'ignore' },
        { position: 2, do: 'resume' },
      ],
    ],
    [
      'goes past the named step',
      'next',
      { step: 0 },
      [cancelled, cancelled],
      [
        { position: 0, do: 'ignore' },
        { position: 1, do: 'resume' },
      ],
    ],
    [
      'goes past a wait that a cancel has ended',
      'next',
      {},
      [{ state: 'cancelled', counts: {}, type: 'wait' }, cancelled],
      [
        { position: 0, do: 'skip' },
        { position: 1, do: 'resume' },
      ],
    ],
    [
      'retries all hosts of the step that failed, and of no ignored one',
      'retry',
      { all: true },
      [ignored, failed, pending],
      [{ position: 1, do: 'retry' }],
    ],
    [
      'retries all hosts of the step that is named',
      'retry',
      { all: true, step: 0 },
      [succeeded, succeeded],
      [{ position: 0, do: 'retry' }],
    ],
    [
      'retries all hosts of the only step',
      'retry',
      { all: true },
      [succeeded],
      [{ position: 0, do: 'retry' }],
    ],
    [
      'retries the failed hosts of one step only',
      'retry',
      { step: 0 },
      [ignored, ignored],
      [{ position: 0, do: 'retry' }],
    ],
    [
      'asks conditions again that stand after retried hosts, and nothing that somebody skipped',
      'retry',
      { all: true, step: 1 },
      [unmet, succeeded, unmet, left, untold, toldInPlan, leftPlan],
      [
        { position: 1, do: 'retry' },
        { position: 2, do: 'ask' },
        { position: 4, do: 'ask' },
        { position: 5, do: 'ask' },
        { position: 6, do: 'ask' },
      ],
    ],
  ] as const)('%s', (...[, kind, args, steps, actions]) => {
    expect(planContinuation(kind, args, steps)).toEqual({ actions })
  })

  it.each([
    ['a retry without a failed host', 'retry', {}, [succeeded], /no host failed/],
    ['a retry that would have to touch unknown hosts unasked', 'retry', {}, [unknown], /includeUnknown/],
    [
      'a retry of unknown hosts when fewer are left than were said',
      'retry',
      { includeUnknown: true, unknownHosts: 2 },
      [unknown],
      /1 host is unknown now, not of 2/,
    ],
    ['a resume that would stop at a failed step again', 'resume', {}, [failed, pending], /step 1 is failed/],
    [
      'a retry of all where several steps could be meant',
      'retry',
      { all: true },
      [succeeded, succeeded],
      /which step/,
    ],
    [
      'a retry of a step where nobody failed',
      'retry',
      { step: 0 },
      [succeeded, failed],
      /no host of step 1 failed.*all/,
    ],
    [
      'one script for two steps',
      'retry',
      { scriptSha256: 'ab' },
      [ignored, failed],
      /say whose script is edited by step/,
    ],
    [
      'a script for a wait',
      'resume',
      { scriptSha256: 'ab' },
      [{ state: 'cancelled', counts: {}, type: 'wait' }, cancelled],
      /step 1 is a wait/,
    ],
    [
      'a script for hosts of which none is left',
      'resume',
      { scriptSha256: 'ab' },
      [{ state: 'cancelled', counts: { succeeded: 3 } }],
      /left to begin/,
    ],
    [
      'a next of a step before which another one was cancelled',
      'next',
      { step: 1 },
      [cancelled, cancelled],
      /step 1 is cancelled/,
    ],
    [
      'an ignore that leaves a failed step before it',
      'ignore',
      { step: 1 },
      [cancelled, failed],
      /step 1 is cancelled/,
    ],
    [
      'a skip that leaves a failed step before it',
      'skip',
      { step: 1 },
      [failed, cancelled],
      /step 1 is failed/,
    ],
  ] as const)('refuses %s', (...[, kind, args, steps, why]) => {
    expect(planContinuation(kind, args, steps)).toEqual({ refuse: expect.stringMatching(why) })
  })
})

describe('stepsAhead', () => {
  const states = ['succeeded', 'ignored', 'failed', 'pending', 'skipped', 'skipped'] as const
  const steps = states.map((state, position) => ({
    state,
    reason: position === 5 ? 'condition_not_met' : null,
  }))

  it.each([
    ['retry', true, {}, [1, 2, 3, 5]],
    ['retry', true, { step: 0 }, [0, 1, 2, 3, 5]],
    ['ignore', true, { step: 2 }, [3]],
    ['ignore', false, { step: 2 }, [3]],
    ['resume', true, {}, [2, 3]],
    ['resume', false, {}, [2, 3]],
    ['skip', true, { step: 2 }, [3]],
    ['skip', false, { step: 2 }, []],
    ['cancel', false, {}, []],
    ['pause', false, {}, []],
  ] as const)('of %s where the run has ended: %p', (kind, ended, args, positions) => {
    expect(stepsAhead(kind, args, { ended, steps })).toEqual(positions)
  })
})

describe('editedStep', () => {
  it.each([
    [
      [
        { position: 2, do: 'retry' },
        { position: 3, do: 'resume' },
      ],
      {},
      2,
    ],
    [
      [
        { position: 1, do: 'resume' },
        { position: 2, do: 'resume' },
      ],
      {},
      1,
    ],
    [
      [
        { position: 1, do: 'resume' },
        { position: 2, do: 'resume' },
      ],
      { step: 2 },
      2,
    ],
    [
      [
        { position: 0, do: 'retry' },
        { position: 2, do: 'retry' },
      ],
      {},
      undefined,
    ],
  ] as const)('of %j with %j is %p', (actions, args, position) => {
    expect(editedStep(actions, args)).toBe(position)
  })
})
