/** What a run is undone by, and what stops it. */
import { goesOn, planContinuation, stepsAhead } from './continuation.js'
import { routeOperation } from './operation.js'
import { endOfUndo, inPlay, undoFault, type UndoTally } from './undo.js'

const tally = (more: Partial<UndoTally>): UndoTally => ({ steps: 2, effects: 3, unknown: [], ...more })

describe('the begin of an undo', () => {
  it.each<[string, Parameters<typeof undoFault>, RegExp | undefined]>([
    ['takes a run that took effect', [{}, tally({})], undefined],
    ['asks for steps that say how', [{}, tally({ steps: 0 })], /no step of this run says/],
    ['is nothing where nothing took effect', [{}, tally({ effects: 0 })], /nothing to undo/],
    [
      'asks about unknown hosts, and names them',
      [{}, tally({ unknown: ['w-1', 'w-2'] })],
      /2 hosts is unknown \(w-1, w-2\)/,
    ],
    [
      'names no more than five',
      [{}, tally({ unknown: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] })],
      /\(a, b, c, d, e and 2 more\)/,
    ],
    [
      'takes them where they are counted',
      [{ includeUnknown: true, unknownHosts: 1 }, tally({ effects: 0, unknown: ['w-1'] })],
      undefined,
    ],
    [
      'leaves them out where they are counted',
      [{ includeUnknown: false, unknownHosts: 1 }, tally({ unknown: ['w-1'] })],
      undefined,
    ],
    [
      'is nothing where all of them are left out',
      [{ includeUnknown: false, unknownHosts: 1 }, tally({ effects: 0, unknown: ['w-1'] })],
      /nothing to undo/,
    ],
    [
      'takes no word about another number',
      [{ includeUnknown: true, unknownHosts: 2 }, tally({ unknown: ['w-1'] })],
      /1 host is unknown now, not of 2/,
    ],
    [
      'keeps a word that was said earlier where some of its hosts are known by now',
      [{ includeUnknown: true, unknownHosts: 2 }, tally({ unknown: ['w-1'], unknownSince: 0 })],
      undefined,
    ],
    [
      'takes it for no host that became unknown since, also where the number is the same',
      [{ includeUnknown: true, unknownHosts: 1 }, tally({ unknown: ['w-2'], unknownSince: 1 })],
      /1 of them were known when it was asked for/,
    ],
    [
      'takes no word about hosts that are known by now',
      [{ includeUnknown: true, unknownHosts: 2 }, tally({})],
      /0 hosts is unknown now/,
    ],
  ])('%s', (_name, [args, counted], why) => {
    const fault = undoFault(args, counted)
    if (why) expect(fault).toMatch(why)
    else expect(fault).toBeUndefined()
  })
})

describe('a run that is undone', () => {
  const forward = { undoes: null, counts: { failed: 1 } }
  const undo = { counts: { failed: 1, succeeded: 2 } }

  it('has nothing left of what it did in play', () => {
    const steps = [
      { ...forward, state: 'failed' as const },
      { ...undo, undoes: 0, state: 'pending' as const },
    ]
    expect(inPlay(steps).map(({ state }) => state)).toEqual(['skipped', 'pending'])
    expect(inPlay([{ ...forward, state: 'failed' as const }])).toMatchObject([{ state: 'failed' }])
  })

  it('is taken up by operations on its undo alone', () => {
    const steps = [
      { ...forward, state: 'failed' as const },
      { ...undo, undoes: 0, state: 'failed' as const },
    ]
    expect(planContinuation('retry', {}, steps)).toEqual({ actions: [{ position: 1, do: 'retry' }] })
    expect(planContinuation('retry', { step: 0 }, steps)).toMatchObject({ refuse: /nothing to retry/ })
    expect(stepsAhead('retry', {}, { ended: true, steps })).toEqual([1])
    expect(goesOn(inPlay(steps).map(({ state }) => state))).toBe(false)
  })

  it.each([
    ['succeeded', { state: 'cancelled', reason: 'undone' }],
    ['failed', { state: 'failed', reason: 'undo_failed' }],
    ['cancelled', { state: 'cancelled', reason: 'undo_cancelled' }],
  ] as const)('whose undo has %s did not succeed', (state, end) => {
    expect(endOfUndo(state)).toEqual(end)
  })

  it('runs no host that is undone again', () => {
    const view = { execution: 'cancelled', cancelRequested: false, undoing: true } as const
    const steps = ['skipped', 'succeeded'] as const
    expect(routeOperation('retry', { all: true, step: 1 }, { ...view, steps })).toMatchObject({
      why: expect.stringMatching(/undone once/),
    })
    expect(routeOperation('undo', {}, { ...view, steps })).toEqual({ route: 'continue' })
    expect(routeOperation('undo', {}, { ...view, steps, execution: 'running' })).toMatchObject({
      why: 'the run is being undone already',
    })
  })
})
