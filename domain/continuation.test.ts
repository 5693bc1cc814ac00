/** What an operation on an ended execution does to its steps. */
import { type EndedStep, planContinuation, stepsAhead } from './continuation.js'

const succeeded: EndedStep = { state: 'succeeded', counts: { succeeded: 3 } }
const failed: EndedStep = { state: 'failed', counts: { succeeded: 2, failed: 1 } }
const pending: EndedStep = { state: 'pending', counts: { pending: 3 } }
const cancelled: EndedStep = { state: 'cancelled', counts: { cancelled: 3 } }
const unknown: EndedStep = { state: 'failed', counts: { succeeded: 2, unknown: 1 } }
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
  const steps = ['succeeded', 'ignored', 'failed', 'pending'] as const

  it.each([
    ['retry', true, {}, [1, 2, 3]],
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
