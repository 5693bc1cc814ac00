import { checkCondition, type ConditionFault, isMet, type Outcome } from './condition.js'

const earlier: Outcome[] = [
  { name: 'deploy', state: 'ignored', hosts: 4, counts: { succeeded: 3, failed: 1 } },
  { name: 'check all', state: 'succeeded', hosts: 4, counts: { succeeded: 4 } },
]
const names = earlier.map((step) => step.name)

describe('a condition', () => {
  it.each([
    ['true', true],
    ['steps.deploy.failed > 0', true],
    ['steps.deploy.failed > 0 && steps["check all"].state == "succeeded"', true],
    ['steps.deploy.state in ["succeeded", "skipped"]', false],
    ['!(steps.deploy.succeeded * 4 >= steps.deploy.hosts * 3)', false],
    ['steps.deploy.unknown == 0 ? steps.deploy.timed_out == 0 : false', true],
    ['steps.deploy.state.startsWith("ign")', true],
  ])('%s is %s', (text, met) => {
    checkCondition(text, names)
    expect(isMet(text, earlier)).toBe(met)
  })

  const faulty = (message: RegExp) =>
    expect.objectContaining<Partial<ConditionFault>>({
      name: 'ConditionFault',
      message: expect.stringMatching(message) as string,
    })

  it.each([
    ['', /./],
    ['steps.deploy.failed >', /./],
    ['steps.later.failed > 0', /"later" is not the name of an earlier step/],
    ['steps.deploy.broken > 0', /has no "broken"; it has state, hosts, pending/],
    ['steps.deploy', /"steps" is not a value/],
    ['steps["de" + "ploy"].failed > 0', /"steps" is not a value/],
    ['size(steps) > 0', /"steps" is not a value/],
    ['steps.deploy.hosts + 1', /./],
    ['1 + 1', /gives a int/],
    ['"a" > 1', /./],
    ['env.HOME == "/"', /./],
  ])('%j is refused in words', (text, message) => {
    expect(() => checkCondition(text, names)).toThrow(faulty(message))
  })

  it.each([
    ['one that is long', 'true || '.repeat(200) + 'true', /1000 characters/],
    ['one that is deep', '('.repeat(300) + 'true' + ')'.repeat(300), /maxDepth/],
    ['one of many parts', Array(150).fill('1<2').join('||'), /maxAstNodes/],
    ['a loop', '[1, 2].all(x, [3, 4].all(y, x < y))', /there is no function all/],
    ['a comprehension', 'size([1, 2].map(x, x * x)) > 0', /there is no function map/],
    [
      'a regular expression',
      '"aaaaaaaaaaaaaaaaaaaaaaaa!".matches("^(a+)+$")',
      /there is no function matches/,
    ],
    [
      'a clock',
      'timestamp("2026-11-21T00:00:00Z") < timestamp("2027-01-01T00:00:00Z")',
      /no function timestamp/,
    ],
  ])('refuses %s', (_what, text, message) => {
    expect(() => checkCondition(text, names)).toThrow(faulty(message))
  })

  it('names a step that can be told from the others', () => {
    expect(() => checkCondition('steps.deploy.failed > 0', ['deploy', 'x', 'deploy'])).toThrow(
      faulty(/there are 2 earlier steps "deploy"/),
    )
  })

  it('that gives neither yes nor no when its turn comes says so', () => {
    expect(() => isMet('steps.deploy.hosts', earlier)).toThrow(faulty(/neither yes nor no/))
    expect(() => isMet('steps.gone.hosts > 0', earlier)).toThrow(faulty(/No such key: gone/))
    expect(() => isMet('steps.deploy.hosts / 0 > 1', earlier)).toThrow(faulty(/./))
  })
})
