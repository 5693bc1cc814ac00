import type { CompiledVariable } from '../variable.js'
import { compileTarget, fillTarget, lastWithHosts } from './step-target.js'

const variable = (name: string, type: CompiledVariable['type'], value = ''): CompiledVariable => ({
  name,
  type,
  value,
  changeable: false,
  onDisagreement: 'first',
})
const variables = [
  variable('WEB', 'hostList', 'name:a\nname:b'),
  variable('NONE', 'hostList'),
  variable('S', 'string'),
]
const earlier = [
  { name: 'deploy', hasHosts: true },
  { name: 'a:b', hasHosts: true },
  { name: 'twice', hasHosts: true },
  { name: 'twice', hasHosts: true },
  { name: 'pause', hasHosts: false },
]
const compile = (target: string) => compileTarget(target, { variables, earlier, where: 'step 6 "x"' })
const check = (target: string) => () => compile(target)

describe("a step's own target", () => {
  it.each(['name:web-1', '${WEB}', '# the web\n  ${WEB}  \nenv=prod', '${NONE}'])('takes %j', (target) => {
    expect(compile(target)).toBeUndefined()
  })

  it.each([
    ['', /the target is empty/],
    ['# only a comment', /the target is empty/],
    ['${NOBODY}', /step 6 "x": its target: there is no variable NOBODY/],
    ['${S}', /S is no host list/],
    ['name:${WEB}', /a line of its own/],
    ['${WEB}\nid:x', /"x" is not a host id/],
    ['step:deploy:failed\nname:a', /a target has lines of one kind/],
    ['step:deploy', /should read last:failed or step:NAME:failed/],
    ['step:deploy:broken', /should read/],
    ['last:', /should read/],
    ['step:later:all', /"later" is not the name of an earlier step/],
    ['step:twice:all', /2 earlier steps "twice"/],
    ['step:pause:all', /the step "pause" has no hosts/],
  ])('refuses %j', (target, why) => {
    expect(check(target)).toThrow(why)
  })

  it('takes hosts of earlier steps, by their names or as the last that has hosts', () => {
    expect(compile('step:deploy:failed\n# and\n step:a:b:unknown')).toEqual([
      { step: 0, which: 'failed' },
      { step: 1, which: 'unknown' },
    ])
    expect(compile('last:succeeded')).toEqual([{ step: 3, which: 'succeeded' }])
    expect(() => compileTarget('last:all', { variables, earlier: earlier.slice(4), where: 'w' })).toThrow(
      /no step before it has hosts/,
    )
    expect(lastWithHosts([])).toBeUndefined()
  })

  it('is what its host lists hold', () => {
    expect(fillTarget('id:7\n ${WEB}', variables)).toBe('id:7\nname:a\nname:b')
    expect(fillTarget('${NONE}', variables)).toBe('')
  })
})
