import { executionStates } from './execution.js'
import { operationKinds, routeOperation, type OperationView } from './operation.js'

const view = (more: Partial<OperationView>): OperationView => ({
  execution: 'running',
  cancelRequested: false,
  steps: ['running', 'pending'],
  ...more,
})

describe('the way of an operation', () => {
  it.each<[string, Parameters<typeof routeOperation>, string]>([
    ['a running run is cancelled', ['cancel', {}, view({})], 'live'],
    ['an ended run is not cancelled', ['cancel', {}, view({ execution: 'failed' })], 'refuse'],
    ['a running run is paused', ['pause', {}, view({})], 'live'],
    ['a paused run is not paused again', ['pause', {}, view({ execution: 'paused' })], 'refuse'],
    ['a paused run is paused hard', ['pause', { hard: true }, view({ execution: 'paused' })], 'live'],
    ['a paused run goes on', ['resume', {}, view({ execution: 'paused' })], 'live'],
    ['a running run does not go on', ['resume', {}, view({})], 'refuse'],
    [
      'a failed run with steps left goes on as a continuation',
      ['resume', {}, view({ execution: 'failed', steps: ['failed', 'pending'] })],
      'continue',
    ],
    [
      'a failed run without steps left does not',
      ['resume', {}, view({ execution: 'failed', steps: ['failed'] })],
      'refuse',
    ],
    ['failed hosts are retried while the run lives', ['retry', {}, view({})], 'live'],
    [
      'failed hosts are retried after the end',
      ['retry', {}, view({ execution: 'failed', steps: ['failed'] })],
      'continue',
    ],
    [
      'a success has nothing to retry',
      ['retry', {}, view({ execution: 'succeeded', steps: ['succeeded'] })],
      'refuse',
    ],
    [
      'ignored failures can be retried',
      ['retry', {}, view({ execution: 'succeeded', steps: ['ignored', 'succeeded'] })],
      'continue',
    ],
    ['a step that has not begun is skipped', ['skip', { step: 1 }, view({})], 'live'],
    ['a running step is not skipped', ['skip', { step: 0 }, view({})], 'refuse'],
    [
      'a failed step is skipped after the end',
      ['skip', { step: 0 }, view({ execution: 'failed', steps: ['failed', 'pending'] })],
      'continue',
    ],
    [
      'what ended since is not reopened by a resume of what was paused',
      ['resume', { seen: 'open' }, view({ execution: 'cancelled', steps: ['cancelled'] })],
      'refuse',
    ],
    [
      'what was seen to have ended is reopened',
      ['resume', { seen: 'ended' }, view({ execution: 'cancelled', steps: ['cancelled'] })],
      'continue',
    ],
    ['what goes on again is not retried as ended', ['retry', { seen: 'ended' }, view({})], 'refuse'],
    ['there is no step 9', ['skip', { step: 9 }, view({})], 'refuse'],
  ])('%s', (_name, args, route) => {
    expect(routeOperation(...args).route).toBe(route)
  })

  it('refuses everything but another cancel once a cancel was asked for', () => {
    for (const kind of operationKinds) {
      const { route } = routeOperation(
        kind,
        { step: 1 },
        view({ execution: 'cancelling', cancelRequested: true }),
      )
      expect([kind, route]).toEqual([kind, kind === 'cancel' ? 'live' : 'refuse'])
    }
  })

  it('has an answer for every kind in every state, and a reason for every refusal', () => {
    for (const kind of operationKinds)
      for (const execution of executionStates) {
        const answer = routeOperation(kind, {}, view({ execution }))
        if (answer.route === 'refuse') expect(answer.why.length).toBeGreaterThan(10)
      }
  })
})
