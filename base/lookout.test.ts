import { delay } from './backoff'
import { Lookout } from './lookout'

describe('a lookout', () => {
  let lookout: Lookout | undefined
  afterEach(() => lookout?.stop())

  it('looks at its time', async () => {
    let looks = 0
    lookout = new Lookout({ everyMs: 5, look: async () => void looks++, onError: fail })
    while (looks < 3) await delay(1)
  })

  it('follows a look that was poked by one more, however often it was poked', async () => {
    let looks = 0
    let end = () => {}
    const look = () => {
      looks++
      return new Promise<void>((resolve) => {
        end = resolve
      })
    }
    lookout = new Lookout({ everyMs: 60_000, look, onError: fail })
    for (let n = 0; n < 5; n++) lookout.poke()
    expect(looks).toBe(1)
    end()
    while (looks < 2) await delay(1)
    end()
    await delay(20)
    expect(looks).toBe(2)
  })

  it('tells of a look that failed, and looks again', async () => {
    const errors: unknown[] = []
    const look = () => Promise.reject(new Error('away'))
    lookout = new Lookout({ everyMs: 5, look, onError: (error) => errors.push(error) })
    while (errors.length < 2) await delay(1)
    expect(errors[0]).toMatchObject({ message: 'away' })
  })

  it('looks no more once it is stopped, waits for the look under way, and tells nothing of it', async () => {
    let looks = 0
    let over = false
    const look = async () => {
      looks++
      await delay(30)
      over = true
      throw new Error('the pool has ended')
    }
    lookout = new Lookout({ everyMs: 5, look, onError: fail })
    lookout.poke()
    lookout.poke()
    await lookout.stop()
    lookout.poke()
    await delay(20)
    expect([looks, over]).toEqual([1, true])
  })

  function fail(error: unknown): never {
    throw error
  }
})
