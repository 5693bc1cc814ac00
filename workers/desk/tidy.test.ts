import { tidy } from './tidy.js'

describe('tidying', () => {
  it('goes on after one that fails, and says which', async () => {
    const done: string[] = []
    const warned: unknown[] = []
    const failure = new Error('canceling statement due to statement timeout')
    await tidy(
      {
        first: async () => void done.push('first'),
        second: async () => {
          throw failure
        },
        third: async () => void done.push('third'),
      },
      { warn: (fact: unknown) => void warned.push(fact) },
    )
    expect(done).toEqual(['first', 'third'])
    expect(warned).toEqual([{ err: failure, tidying: 'second' }])
  })
})
