import { labelFault, parseTarget, TargetFault } from './target.js'

describe('a target', () => {
  it.each([
    ['*', [{ kind: 'all' }]],
    ['name:web-[1-2],db', [{ kind: 'names', names: ['web-1', 'web-2', 'db'] }]],
    ['id:7,12', [{ kind: 'ids', ids: ['7', '12'] }]],
    ['group:front-end', [{ kind: 'group', group: 'front-end' }]],
    ['run:812', [{ kind: 'run', executionId: '812', step: undefined, states: undefined }]],
    ['run:812/2', [{ kind: 'run', executionId: '812', step: 1, states: undefined }]],
    ['run:r-812/10:unknown', [{ kind: 'run', executionId: '812', step: 9, states: ['unknown'] }]],
    ['env=', [{ kind: 'labels', requirements: [{ key: 'env', op: 'in', values: [''] }] }]],
    ['env=prod', [{ kind: 'labels', requirements: [{ key: 'env', op: 'in', values: ['prod'] }] }]],
    [
      'env=prod,role in (web, db),!canary,fact.os!=linux,zone',
      [
        {
          kind: 'labels',
          requirements: [
            { key: 'env', op: 'in', values: ['prod'] },
            { key: 'role', op: 'in', values: ['web', 'db'] },
            { key: 'canary', op: 'missing' },
            { key: 'fact.os', op: 'not in', values: ['linux'] },
            { key: 'zone', op: 'exists' },
          ],
        },
      ],
    ],
  ])('%s is understood', (text, terms) => {
    expect(parseTarget(text)).toEqual(terms)
  })

  it('is the union of its lines; comments and empty lines are nothing', () => {
    expect(parseTarget('# the front\nid:1\n\n  id:2  \n')).toEqual([
      { kind: 'ids', ids: ['1'] },
      { kind: 'ids', ids: ['2'] },
    ])
  })

  it('leaves hosts with an unknown outcome out of run:…:failed', () => {
    expect(parseTarget('run:1:failed')).toEqual([
      {
        kind: 'run',
        executionId: '1',
        step: undefined,
        states: ['failed', 'timed_out', 'cancelled', 'rejected', 'offline'],
      },
    ])
  })

  it.each([
    '',
    '# nothing',
    'id:',
    'id:0',
    'id:007',
    'id:9999999999999999999',
    'id:1;drop table host',
    'group:../etc',
    'run:x',
    'run:1:broken',
    'run:1:failed:more',
    'run:1/0',
    'run:1/2/3',
    'run:1/x:failed',
    'env==prod=x',
    'role in ()',
    'role in (a',
    ',env=prod',
    'env=prod,,x',
    "env='prod'",
    'name:web-[3-1]',
    'nonsense here',
  ])('%p is refused with a sentence', (text) => {
    expect(() => parseTarget(text)).toThrow(TargetFault)
  })
})

describe('a label', () => {
  it.each([
    ['env', 'prod'],
    ['team/owner', 'a.b-c_d'],
    ['empty', ''],
  ])('%s=%s is taken', (key, value) => {
    expect(labelFault(key, value)).toBeUndefined()
  })

  it.each([
    ['fact.os', 'linux'],
    ['', 'x'],
    ['-a', 'x'],
    ['a b', 'x'],
    ['a', 'x y'],
    ['a', 'x'.repeat(64)],
  ])('%p=%p is refused', (key, value) => {
    expect(labelFault(key, value)).toEqual(expect.any(String))
  })
})
