import { executionStates, isFinalExecutionState, nextStep, workflowIdOf } from './execution.js'
import { hostStates, isFinalHostState, retriedStates, stateRank, summarize } from './host-result.js'
import { isId, parseRunId } from './id.js'
import { canDo, roles } from './role.js'
import { stepVerdict } from './step-execution.js'
import { deepTextFault, textFault } from './text.js'

describe('host states', () => {
  it('count every host exactly once', () => {
    const counts = Object.fromEntries(hostStates.map((state, i) => [state, i + 1]))
    const { total, open, ok, bad } = summarize(counts)
    expect(open + ok + bad).toBe(total)
    expect(total).toBe(hostStates.reduce((sum, _, i) => sum + i + 1, 0))
  })

  it('rank as they follow each other', () => {
    expect(hostStates.map(stateRank)).toEqual([0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3])
  })

  it('are never retried when open, a success or unknown', () => {
    expect(retriedStates.every((state) => isFinalHostState(state))).toBe(true)
    expect(retriedStates).not.toContain('unknown')
    expect(retriedStates).not.toContain('succeeded')
  })
})

describe('what comes next', () => {
  it.each([
    [['succeeded', 'pending'], false, { do: 'run', index: 1 }],
    [['ignored', 'skipped', 'running'], false, { do: 'run', index: 2 }],
    [['failed', 'pending'], false, { do: 'end', state: 'failed' }],
    [['succeeded', 'succeeded'], false, { do: 'end', state: 'succeeded' }],
    [['cancelled', 'pending'], false, { do: 'end', state: 'cancelled' }],
    [['succeeded', 'pending'], true, { do: 'end', state: 'cancelled' }],
  ] as const)('%j, cancelled %p: %j', (steps, cancelled, next) => {
    expect(nextStep(steps, cancelled)).toEqual(next)
  })

  it.each([
    [{ succeeded: 3 }, 'stop', false, 'succeeded'],
    [{ succeeded: 2, failed: 1 }, 'stop', false, 'failed'],
    [{ succeeded: 2, offline: 1 }, 'ignore', false, 'ignored'],
    [{ succeeded: 2, cancelled: 1 }, 'ignore', true, 'cancelled'],
    [{ succeeded: 2, unknown: 1 }, 'stop', false, 'failed'],
    [{ succeeded: 2, skipped: 1 }, 'stop', false, 'succeeded'],
  ] as const)('%j with %s, cancelled %p, is %s', (counts, onFailure, cancelled, state) => {
    expect(stepVerdict(counts, onFailure, cancelled)).toBe(state)
  })

  it('has three ends', () => {
    expect(executionStates.filter(isFinalExecutionState)).toEqual(['succeeded', 'failed', 'cancelled'])
  })

  it('names a continuation after its execution', () => {
    expect([0, 2].map((n) => workflowIdOf('default', '7', n))).toEqual([
      'execution/default/7',
      'execution/default/7.2',
    ])
  })
})

describe('ids', () => {
  it.each(['1', '9223372036854775807'])('%s is one', (text) => expect(isId(text)).toBe(true))
  it.each(['0', '01', '-1', '1.0', ' 1', '9223372036854775808', 'x', ''])('%p is none', (text) =>
    expect(isId(text)).toBe(false),
  )
  it('is said with or without r-', () =>
    expect([parseRunId('r-8'), parseRunId('8'), parseRunId('r-x')]).toEqual(['8', '8', undefined]))
})

describe('roles', () => {
  it('give an admin everything that an operator may, and a viewer no change', () => {
    expect(canDo(['viewer'], 'execution.read')).toBe(true)
    expect(canDo(['viewer', 'approver'], 'execution.launch')).toBe(false)
    expect(canDo(['operator'], 'host.revoke')).toBe(false)
    for (const role of roles) expect(canDo([role], 'output.read')).toBe(true)
    expect(canDo([], 'execution.read')).toBe(false)
  })
})

describe('text at an edge', () => {
  it.each([
    ['plain ünï 🦊', undefined],
    ['a\0b', expect.stringContaining('NUL')],
    ['\ud83d', expect.stringContaining('surrogate')],
    ['\udc00x', expect.stringContaining('surrogate')],
  ])('%p', (text, fault) => expect(textFault(text)).toEqual(fault))

  it('is found wherever it hides, with its path', () => {
    expect(deepTextFault({ steps: [{ script: 'ok' }, { script: 'a\0' }] })).toBe(
      'steps.1.script contains a NUL character',
    )
    expect(deepTextFault({ environment: { 'k\0': 'v' } })).toContain('a key under environment')
    expect(deepTextFault({ n: 1, nothing: null })).toBeUndefined()
  })
})
