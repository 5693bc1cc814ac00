/** Holds docs/bk-job-parity.md to the tests that it names: what works or is better has one, and it exists. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { citationsIn, hasTest } from '../helpers/citations'

const page = readFileSync(join(__dirname, '../../docs/bk-job-parity.md'), 'utf8')
const rows = page.split('\n').flatMap((line) => {
  const [, name = '', mark, how = ''] =
    /^\| ([^|]+) \| (works|better|differs|later) \| (.+) \|$/.exec(line) ?? []
  return mark === undefined ? [] : [{ name, mark, how }]
})
const weak = page.split('\n').flatMap((line) => {
  const [, number, , ours = ''] = /^\| (\d+) \| ([^|]+) \| (.+) \|$/.exec(line) ?? []
  return number === undefined ? [] : [{ number: Number(number), ours }]
})

describe('docs/bk-job-parity.md', () => {
  it('gives a test to all that works or is better, and a part, or what comes instead, to what is later', () => {
    const bare = rows.filter(
      ({ mark, how }) => (mark === 'better' || mark === 'works') && !citationsIn(how).length,
    )
    expect(bare).toEqual([])
    const vague = rows.filter(({ mark, how }) => mark === 'later' && !/part \d|console|agent for/.test(how))
    expect(vague).toEqual([])
  })

  it('has each of the fifteen weak points, with a test or the part that will bring one', () => {
    expect(weak.map((row) => row.number)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1))
    expect(weak.filter(({ ours }) => !citationsIn(ours).length && !/^with part \d: /.test(ours))).toEqual([])
  })

  it.each(citationsIn(page))('names a test of %s that exists: %s', (file, name) => {
    expect(hasTest(file, name)).toBe(true)
  })
})
