import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { judge, receiptLine } from './receipt.js'
import { Starts } from './starts.js'

const row = (hostName: string, state = 'succeeded', started = 'yes') => ({ hostName, state, started })
const starts = (counts: Record<string, number>) => new Map(Object.entries(counts))
const told = { killed: new Map([['gateway', 2]]), longestGapMs: 6_432, seed: 7 }

describe('the receipt', () => {
  it('of a rollout in which everyone ran once has no differences', () => {
    const judgement = judge(starts({ a: 1, b: 1 }), [row('a'), row('b')], true)
    expect(judgement).toEqual({ targets: 2, startedOnce: 2, twice: 0, lost: 0, differences: [] })
    expect(receiptLine(judgement, told)).toBe(
      '2 targets · 2 started once · killed gateway ×2 · longest gap 6.4 s · seed 7',
    )
  })

  it.each([
    ['a host that started twice', { a: 2 }, [row('a')], { twice: 1, lost: 0 }],
    ['an end that no file knows of', {}, [row('a')], { twice: 0, lost: 1 }],
    ['a start that has no end', { a: 1 }, [row('a', 'unknown', 'maybe')], { twice: 0, lost: 1 }],
    ['a host that was never reached', {}, [row('a', 'offline', 'no')], { twice: 0, lost: 0 }],
    ['a start of somebody else', { a: 1, b: 1 }, [row('a')], { twice: 0, lost: 0 }],
  ])('names %s', (_what, counts, rows, expected) => {
    const judgement = judge(starts(counts as Record<string, number>), rows, true)
    expect(judgement).toMatchObject(expected)
    expect(judgement.differences).toHaveLength(1)
  })

  it('does not call lost what is still under way', () => {
    expect(judge(starts({ a: 1 }), [row('a', 'running'), row('b', 'pending', 'no')], false)).toMatchObject({
      lost: 0,
      differences: [],
    })
  })
})

describe('starts', () => {
  it('are counted from files while these grow, whole lines only', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'drover-starts-'))
    try {
      const file = path.join(folder, 'starts')
      const counter = new Starts([{ path: file, hostOf: (line) => line.split(' ')[1] }])
      counter.look(0)
      appendFileSync(file, 'x a\nx b\nx ')
      counter.look(1_000)
      expect([...counter.byHost]).toEqual([
        ['a', 1],
        ['b', 1],
      ])
      appendFileSync(file, 'a\nnothing\n')
      counter.look(3_500)
      expect([counter.byHost.get('a'), counter.twice, counter.longestGapMs]).toEqual([2, 1, 2_500])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
