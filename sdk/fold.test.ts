/** Folding of equal output. */
import { foldLines, type FoldedOutput } from './fold.js'

const conf = (workers: number) => `[app]\nport=80\nworkers=${workers}\nlog=info\n`
const group = (fields: Partial<FoldedOutput>): FoldedOutput => ({
  hosts: 1,
  nodeset: 'rack-b-4',
  state: 'succeeded',
  exitCode: 0,
  output: conf(4),
  ...fields,
})
const seven = group({ hosts: 7, nodeset: 'rack-a-[1-4],rack-b-[1-3]' })
const summary = (groups: FoldedOutput[]) => foldLines(groups)[0]?.text

describe('foldLines', () => {
  it('shows the one host that differs by its one line', () => {
    const lines = foldLines([seven, group({ output: conf(8) })])
    expect(lines.map((line) => line.text)).toEqual([
      '7 hosts identical [rack-a-[1-4],rack-b-[1-3]] · rack-b-4 differs in 1 line',
      '── rack-a-[1-4],rack-b-[1-3] · 7 hosts',
      '[app]',
      'port=80',
      'workers=4',
      'log=info',
      '── rack-b-4',
      '@@ -1,4 +1,4 @@',
      ' [app]',
      ' port=80',
      '-workers=4',
      '+workers=8',
      ' log=info',
    ])
  })

  it.each([
    [
      'hosts that call their outcome something',
      [
        { ...seven, tag: 'done' },
        { ...seven, hosts: 1, nodeset: 'x', state: 'failed', exitCode: 1, tag: 'disk full' },
      ],
      '7 hosts "done" identical [rack-a-[1-4],rack-b-[1-3]] · x failed (exit 1) "disk full"',
    ],
    ['hosts that are all the same', [seven], '7 hosts identical [rack-a-[1-4],rack-b-[1-3]]'],
    ['a single host', [group({})], 'rack-b-4'],
    [
      'a host that failed with the same output',
      [seven, group({ state: 'failed', exitCode: 3 })],
      '7 hosts identical [rack-a-[1-4],rack-b-[1-3]] · rack-b-4 failed (exit 3)',
    ],
    [
      'several that timed out and wrote less',
      [seven, group({ hosts: 2, nodeset: 'x-[1-2]', state: 'timed_out', exitCode: null, output: '[app]\n' })],
      '7 hosts identical [rack-a-[1-4],rack-b-[1-3]] · 2 hosts [x-[1-2]] timed out and differ in 3 lines',
    ],
    [
      'a run in which all failed',
      [group({ hosts: 2, nodeset: 'x-[1-2]', state: 'failed', exitCode: 1 })],
      '2 hosts failed (exit 1) identical [x-[1-2]]',
    ],
  ])('sums up %s', (_what, groups, text) => {
    expect(summary(groups)).toBe(text)
  })

  it('prints output whole where a difference would be longer', () => {
    const lines = foldLines([group({ output: conf(4) }), group({ nodeset: 'y', output: 'a\nb\n' })])
    expect(lines.slice(-3).map((line) => line.text)).toEqual(['── y', 'a', 'b'])
  })

  it('prints each output whole where no two hosts agree', () => {
    const lines = foldLines(['x', 'y', 'z'].map((nodeset) => group({ nodeset, output: `${nodeset}\n` })))
    expect(lines.map((line) => line.text)).toEqual([
      '3 hosts, no two alike',
      '── x',
      'x',
      '── y',
      'y',
      '── z',
      'z',
    ])
  })

  it('counts the groups that a line has no room for', () => {
    const many = Array.from({ length: 8 }, (_, i) => group({ nodeset: `x-${i}`, output: conf(i + 10) }))
    expect(summary([seven, ...many])).toMatch(/x-4 differs in \d line · 3 more groups differ$/)
  })

  it('shows real lines, and only those as differing that differ after normalising', () => {
    const log = (second: string, words: string) => `00:42:${second} begin\n00:42:${second} ${words}\n`
    const normal = (words: string) => `<time> begin\n<time> ${words}\n`
    const usual = group({
      ...seven,
      identical: 'normalised',
      output: log('01', 'ok'),
      normalised: normal('ok'),
    })
    const other = group({ identical: 'output', output: log('59', 'full'), normalised: normal('full') })
    expect(foldLines([usual, other]).map((line) => line.text)).toEqual([
      '7 hosts identical but for times, ids and names [rack-a-[1-4],rack-b-[1-3]] · rack-b-4 differs in 1 line',
      '── rack-a-[1-4],rack-b-[1-3] · 7 hosts · identical but for times, ids and names',
      '00:42:01 begin',
      '00:42:01 ok',
      '── rack-b-4',
      '@@ -1,2 +1,2 @@',
      ' 00:42:59 begin',
      '-00:42:01 ok',
      '+00:42:59 full',
    ])
  })

  it('compares lines as they are where only the agent of the other host is too old to tell that they are alike', () => {
    const usual = group({
      ...seven,
      identical: 'normalised',
      output: 'at 1\nb\n',
      normalised: 'at <time>\nb\n',
    })
    const old = group({ output: 'at 2\nb\n', normalised: 'at <time>\nb\n' })
    expect(summary([usual, old])).toMatch(/rack-b-4 differs in 1 line$/)
    expect(summary([usual, { ...old, state: 'failed', exitCode: 3 }])).toMatch(/rack-b-4 failed \(exit 3\)$/)
  })

  it('compares lines as they are where their normalised form does not fit', () => {
    const usual = group({ ...seven, output: 'a\nb\n', normalised: 'a\n' })
    expect(summary([usual, group({ output: 'a\nc\n', normalised: 'a\n' })])).toMatch(/differs in 1 line$/)
  })

  it('says so where nothing was written', () => {
    expect(foldLines([group({ output: '' })]).at(-1)?.text).toBe('(no output)')
  })

  it('gives nothing for nothing', () => {
    expect(foldLines([])).toEqual([])
  })
})
