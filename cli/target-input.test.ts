/** Targets of the command line. */
import { targetOfLines } from './target-input.js'

describe('targetOfLines', () => {
  it('takes plain lines as names and leaves terms as they are', () => {
    const lines = [
      'web-01',
      ' web-[02-04] ',
      '',
      '# by hand',
      'id:7',
      'env=prod,role in (web)',
      'role notin (db)',
      '*',
      '!canary',
      'run:812:failed',
    ]
    expect(targetOfLines(lines.join('\n')).split('\n')).toEqual([
      'name:web-01',
      'name:web-[02-04]',
      'id:7',
      'env=prod,role in (web)',
      'role notin (db)',
      '*',
      '!canary',
      'run:812:failed',
    ])
  })

  it('gives nothing for nothing', () => {
    expect(targetOfLines('\n# none\n')).toBe('')
  })
})
