import { delay } from '../base/backoff'
import { Turnstile } from './turnstile'

const here = () => false

describe('a turnstile', () => {
  it('lets a handful in at once, and the others turn by turn in the order in which they came', async () => {
    const turnstile = new Turnstile(2, () => false)
    const inside: string[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      turnstile.admit({ enter: () => inside.push(name), isGone: here })
    expect([inside, turnstile.waiting]).toEqual([['a', 'b'], 3])
    while (inside.length < 4) await delay(1)
    expect([inside, turnstile.waiting]).toEqual([['a', 'b', 'c', 'd'], 1])
    while (inside.length < 5) await delay(1)
    expect([inside.at(-1), turnstile.waiting]).toEqual(['e', 0])
  })

  it('spends nothing on one who has gone', () => {
    const turnstile = new Turnstile(1, () => false)
    const inside: string[] = []
    turnstile.admit({ enter: () => inside.push('gone'), isGone: () => true })
    turnstile.admit({ enter: () => inside.push('next'), isGone: here })
    expect(inside).toEqual(['next'])
    turnstile.close()
  })

  it('lets nobody in while it is full inside, and goes on by itself afterwards', async () => {
    let full = true
    const turnstile = new Turnstile(8, () => full)
    const inside: string[] = []
    turnstile.admit({ enter: () => inside.push('a'), isGone: here })
    await delay(50)
    expect(inside).toEqual([])
    full = false
    while (!inside.length) await delay(1)
    expect(inside).toEqual(['a'])
  })

  it('lets nobody in any more once it is closed', async () => {
    const turnstile = new Turnstile(1, () => false)
    const inside: string[] = []
    for (const name of ['a', 'b']) turnstile.admit({ enter: () => inside.push(name), isGone: here })
    turnstile.close()
    turnstile.admit({ enter: () => inside.push('c'), isGone: here })
    await delay(50)
    expect(inside).toEqual(['a'])
  })
})
