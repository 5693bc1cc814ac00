/** References in texts: what may stand there, and what `${` means where nothing may. */
import { checkReferences, type NamedVariable } from './variable.js'

const said = (text: string, ...variables: NamedVariable[]) => {
  try {
    checkReferences([text], variables, 'step 1')
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a reference in a text', () => {
  it('names a variable that has a text', () => {
    expect(said('${A}', { name: 'A', type: 'string' })).toBe('')
    expect(said('${HOME}', { name: 'A', type: 'string' })).toContain('write $${HOME} where the text itself')
    expect(said('${L}', { name: 'L', type: 'list' }, { name: 'A', type: 'string' })).not.toBe('')
  })

  it.each(['secret', 'hostList'] as const)('is a text like any other where there is only a %s', (type) => {
    expect(said('${HOME}', { name: 'PW', type })).toBe('')
    expect(said('${PW}', { name: 'PW', type })).toContain('PW')
    expect(said('${HOME}')).toBe('')
  })
})
