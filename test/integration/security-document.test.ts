/** Holds docs/security.md to the tests that it names: each exists, and no row is without one or a reason. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { citationsIn, hasTest } from '../helpers/citations'

const root = join(__dirname, '../..')
const page = readFileSync(join(root, 'docs/security.md'), 'utf8')
const rows = page.split('\n').flatMap((line) => {
  const [, number, source = '', , told = ''] = /^\| (\d+) \| ([^|]+) \| ([^|]+) \| (.+) \|$/.exec(line) ?? []
  return number === undefined ? [] : [{ number: Number(number), source, told }]
})
const citations = rows.flatMap(({ number, told }) =>
  citationsIn(told).map(([file, name]) => [number, file, name] as const),
)

describe('docs/security.md', () => {
  it('has every row of the survey once, in order', () => {
    expect(rows.map((row) => row.number)).toEqual(Array.from({ length: 58 }, (_, index) => index + 1))
  })

  it('gives each row a test, or the part that will bring one', () => {
    const bare = rows.filter(
      ({ number, told }) => !citations.some(([cited]) => cited === number) && !/^with part \d+: /.test(told),
    )
    expect(bare).toEqual([])
  })

  it('cites by file and name only', () => {
    const mentioned = [...page.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, file = '']) => file)
    for (const file of mentioned) expect([file, existsSync(join(root, file))]).toEqual([file, true])
    for (const { told } of rows)
      expect((told.match(/\.test\.ts`/g) ?? []).length).toBe((told.match(/\.test\.ts` "/g) ?? []).length)
  })

  it.each(citations)('row %i names a test of %s that exists: %s', (_number, file, name) => {
    expect(hasTest(file, name)).toBe(true)
  })
})
