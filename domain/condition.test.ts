import type { Value } from './variable.schema'
import { checkCondition, type ConditionFault, isMet, type Outcome } from './condition.js'

const earlier: Outcome[] = [
  { name: 'deploy', state: 'ignored', hosts: 4, counts: { succeeded: 3, failed: 1 } },
  { name: 'check all', state: 'succeeded', hosts: 4, counts: { succeeded: 4 } },
]
const variables = new Map<string, Value>([
  ['VERSION', '1.2'],
  ['RACKS', ['a', 'b']],
  ['PORTS', { web: '80', constructor: '1' }],
])
const seen = { steps: earlier, variables }
const known = { steps: earlier.map((step) => step.name), variables: [...variables.keys()] }

describe('a condition', () => {
  it.each([
    ['true', true],
    ['steps.deploy.failed > 0', true],
    ['steps.deploy.failed > 0 && steps["check all"].state == "succeeded"', true],
    ['steps.deploy.state in ["succeeded", "skipped"]', false],
    ['!(steps.deploy.succeeded * 4 >= steps.deploy.hosts * 3)', false],
    ['steps.deploy.unknown == 0 ? steps.deploy.timed_out == 0 : false', true],
    ['steps.deploy.state.startsWith("ign")', true],
    ['variables.VERSION == "1.2" && variables["RACKS"][1] == "b"', true],
    ['"c" in variables.RACKS || size(variables.RACKS) > 2', false],
    ['variables.PORTS.web == "80" && "constructor" in variables.PORTS', true],
    ['"toString" in variables.PORTS', false],
    ['int(variables.PORTS["web"]) > 79', true],
  ])('%s is %s', (text, met) => {
    checkCondition(text, known)
    expect(isMet(text, seen)).toBe(met)
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
    ['variables.NOTHING == ""', /there is no variable NOTHING; there are VERSION, RACKS, PORTS/],
    ['size(variables) > 0', /"variables" is not a value/],
  ])('%j is refused in words', (text, message) => {
    expect(() => checkCondition(text, known)).toThrow(faulty(message))
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
    expect(() => checkCondition(text, known)).toThrow(faulty(message))
  })

  it('names a step that can be told from the others', () => {
    expect(() =>
      checkCondition('steps.deploy.failed > 0', { steps: ['deploy', 'x', 'deploy'], variables: [] }),
    ).toThrow(faulty(/there are 2 earlier steps "deploy"/))
  })

  it('that gives neither yes nor no when its turn comes says so', () => {
    expect(() => isMet('steps.deploy.hosts', seen)).toThrow(faulty(/neither yes nor no/))
    expect(() => isMet('steps.gone.hosts > 0', seen)).toThrow(faulty(/No such key: gone/))
    expect(() => isMet('steps.deploy.hosts / 0 > 1', seen)).toThrow(faulty(/./))
  })
})
