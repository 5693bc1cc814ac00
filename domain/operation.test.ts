import { executionStates } from './execution.js'
import {
  argsForEngine,
  argsForLog,
  operationKinds,
  type OperationKind,
  type OperationView,
  retriedBy,
  routeOperation,
} from './operation.js'
import { stepStates, type StepState } from './step-execution.js'

const view = (more: Partial<OperationView>): OperationView => ({
  execution: 'running',
  cancelRequested: false,
  undoing: false,
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
    [
      'all hosts of a step that succeeded run again',
      ['retry', { all: true, step: 0 }, view({ execution: 'succeeded', steps: ['succeeded'] })],
      'continue',
    ],
    ['hosts of a step to come are left out', ['skip', { step: 1, hosts: ['a'] }, view({})], 'live'],
    ['hosts of the running step are left out', ['skip', { step: 0, hosts: ['a'] }, view({})], 'live'],
    [
      'the engine is told how many hosts are left out, and answers the same',
      ['skip', { step: 0, hostCount: 1 }, view({})],
      'live',
    ],
    [
      'hosts of an ignored step are left out after a good end',
      ['skip', { step: 0, hosts: ['a'] }, view({ execution: 'succeeded', steps: ['ignored'] })],
      'continue',
    ],
    ['failures of the running step are ignored', ['ignore', { step: 0 }, view({})], 'live'],
    [
      'a failed step is ignored',
      ['ignore', { step: 0 }, view({ execution: 'failed', steps: ['failed', 'pending'] })],
      'continue',
    ],
    ['a run goes on with the next step', ['next', {}, view({})], 'live'],
    [
      'a paused run goes on with the next step',
      ['next', {}, view({ execution: 'paused', steps: ['paused'] })],
      'live',
    ],
    [
      'a cancelled run goes on with the next step',
      ['next', {}, view({ execution: 'cancelled', steps: ['cancelled', 'cancelled'] })],
      'continue',
    ],
    [
      'a paused run is given another script',
      ['resume', { step: 0, scriptSha256: 'ab' }, view({ execution: 'paused', steps: ['paused'] })],
      'live',
    ],
    ['a paused run is undone', ['undo', {}, view({ execution: 'paused' })], 'live'],
    ['a run that goes on is not undone', ['undo', {}, view({})], 'refuse'],
    ['a paused undo is not undone', ['undo', {}, view({ execution: 'paused', undoing: true })], 'refuse'],
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

  it.each<[string, Parameters<typeof routeOperation>, RegExp]>([
    ['a skip of a running step', ['skip', { step: 0 }, view({})], /step 1 is running: next ends/],
    ['an ignore of one to come', ['ignore', { step: 1 }, view({})], /has not begun: ignore it when/],
    [
      'an ignore of a cancelled one',
      ['ignore', { step: 0 }, view({ execution: 'cancelled', steps: ['cancelled'] })],
      /next goes on after it/,
    ],
    [
      'a retry of one that is over',
      ['retry', { step: 0 }, view({ steps: ['failed', 'running'] })],
      /when the run has ended/,
    ],
    ['a retry of one to come', ['retry', { step: 1 }, view({})], /has not begun: it comes/],
    [
      'a next of a failed run',
      ['next', {}, view({ execution: 'failed', steps: ['failed'] })],
      /ignore the step, skip it, or retry/,
    ],
    [
      'a next of a step that the run is past',
      ['next', { step: 0 }, view({ steps: ['ignored', 'running'] })],
      /step 1 is ignored: the run has gone on/,
    ],
    ['a second next', ['next', {}, view({ steps: ['cancelling', 'pending'] })], /being ended already/],
    [
      'a next between two steps',
      ['next', {}, view({ execution: 'paused', steps: ['succeeded', 'pending'] })],
      /resume the run, or skip/,
    ],
    [
      'a next while a cancel is under way',
      ['next', {}, view({ execution: 'cancelling', cancelRequested: true, steps: ['cancelling'] })],
      /when it has ended, resume, retry or next/,
    ],
    [
      'hosts of a step that waits',
      ['skip', { step: 0, hosts: ['a'] }, view({ execution: 'waiting', steps: ['waiting'] })],
      /skip the step/,
    ],
    [
      'another script for a step that is over',
      [
        'resume',
        { step: 0, scriptSha256: 'ab' },
        view({ execution: 'paused', steps: ['succeeded', 'paused'] }),
      ],
      /use retry for one that is over/,
    ],
  ])('is refused with what to do instead: %s', (_name, args, why) => {
    expect(routeOperation(...args)).toEqual({ route: 'refuse', why: expect.stringMatching(why) })
  })

  /** What may be done to a step in a state, of a run that goes on (`live`) or has failed (`continue`): all of the table, written out. */
  it.each<[OperationKind, object, StepState[], StepState[]]>([
    ['skip', { step: 0 }, ['pending', 'waiting'], ['pending', 'failed', 'cancelled']],
    [
      'skip',
      { step: 0, hosts: ['a'] },
      ['pending', 'running', 'paused'],
      ['pending', 'failed', 'cancelled', 'ignored'],
    ],
    ['ignore', { step: 0 }, ['running', 'paused'], ['failed']],
    ['retry', { step: 0 }, ['running', 'paused'], ['succeeded', 'failed', 'cancelled', 'ignored']],
    ['next', {}, ['running', 'waiting', 'paused'], []],
    ['next', { step: 0 }, ['running', 'waiting', 'paused'], []],
  ])('allows %s %j of steps that are %j, after the end %j', (kind, args, live, ended) => {
    const from = (execution: 'running' | 'failed', route: string) =>
      stepStates.filter(
        (state) => routeOperation(kind, args, view({ execution, steps: [state] })).route === route,
      )
    expect([from('running', 'live'), from('failed', 'continue')]).toEqual([live, ended])
  })

  it('has an answer for every kind in every state, and a reason for every refusal', () => {
    for (const kind of operationKinds)
      for (const execution of executionStates) {
        const answer = routeOperation(kind, {}, view({ execution }))
        if (answer.route === 'refuse') expect(answer.why.length).toBeGreaterThan(10)
      }
  })
})

describe('what is told of an operation', () => {
  const args = { step: 0, hosts: ['web-1', 'web-2'], why: 'broken disk', scriptSha256: 'ab' }

  it('leaves names of hosts out of the log, and of the engine the words of people, too', () => {
    expect(argsForLog(args)).toEqual({ step: 0, hostCount: 2, why: 'broken disk', scriptSha256: 'ab' })
    expect(argsForEngine(args)).toEqual({ step: 0, hostCount: 2, scriptSha256: 'ab' })
  })

  it.each([
    [{}, ['failed', 'timed_out', 'cancelled', 'rejected', 'offline']],
    [{ all: true }, ['failed', 'timed_out', 'cancelled', 'rejected', 'offline', 'succeeded']],
    [
      { all: true, includeUnknown: true },
      ['failed', 'timed_out', 'cancelled', 'rejected', 'offline', 'succeeded', 'unknown'],
    ],
  ])('takes up hosts by a retry with %j: %j', (retry, states) => {
    expect(retriedBy(retry)).toEqual(states)
  })
})
