import { Admission } from './admission.js'

const here = () => false

describe('admission', () => {
  it('lets in so many at a time, in the order in which they came', async () => {
    const admission = new Admission(2, 60_000)
    const order: string[] = []
    const enter = async (name: string) => {
      const leave = await admission.enter(here)
      order.push(name)
      return leave
    }
    const [first] = await Promise.all([enter('a'), enter('b')])
    const third = enter('c')
    const fourth = enter('d')
    expect([order, admission.waiting]).toEqual([['a', 'b'], 2])
    first()
    first()
    await third
    expect([order, admission.waiting]).toEqual([['a', 'b', 'c'], 1])
    ;(await third)()
    ;(await fourth)()
  })

  it('gives no place to one who has gone', async () => {
    const admission = new Admission(1, 60_000)
    const leave = await admission.enter(here)
    let entered = false
    void admission.enter(() => true).then(() => (entered = true))
    const next = admission.enter(here)
    leave()
    ;(await next)()
    expect(entered).toBe(false)
  })

  it('gives the place of one who does nothing on when its time is over', async () => {
    const admission = new Admission(1, 20)
    await admission.enter(here)
    ;(await admission.enter(here))()
  })
})
