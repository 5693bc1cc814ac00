import { GroupError, hostNames, labelsOf, parseGroup, parseGroups } from './groups.js'

describe('a group of simulated hosts', () => {
  it('is read from the command line', () => {
    const group = parseGroup(
      'name=web,count=3,latency=50ms-2s,fail=0.25,lag=200,disconnect=1.5m,output=64k,noise=yes,label.rack=a',
    )
    expect(group).toEqual({
      name: 'web',
      count: 3,
      labels: { rack: 'a' },
      latencyMs: { min: 50, max: 2_000 },
      fail: 0.25,
      lagMs: 200,
      disconnectMs: 90_000,
      outputBytes: 65_536,
      noise: true,
    })
    expect(hostNames(group)).toEqual(['web-00001', 'web-00002', 'web-00003'])
    expect(labelsOf(group)).toEqual({ simulated: 'true', group: 'web', rack: 'a' })
  })

  it('takes the count that was given for it elsewhere', () => {
    expect(parseGroup('latency=1s', 7)).toMatchObject({
      name: 'sim',
      count: 7,
      latencyMs: { min: 1_000, max: 1_000 },
    })
  })

  it('is the same read from a file', () => {
    const json = { groups: [{ name: 'db', count: 2, latency: '1s', labels: { rack: 'b' } }] }
    expect(parseGroups(JSON.stringify(json))).toEqual([parseGroup('name=db,count=2,latency=1s,label.rack=b')])
  })

  it.each([
    'name=web',
    'count=1,fail=2',
    'count=1,fail=',
    'count=1.5',
    'count=0',
    'count=1,latency=2s-1s',
    'count=1,latency=soon',
    'count=1,output=1g',
    'count=1,colour=red',
    'count=1,name=Web 1',
    'count',
  ])('is refused as %s', (text) => {
    expect(() => parseGroup(text)).toThrow(GroupError)
  })

  it('has a name of its own', () => {
    expect(() => parseGroups('[{"name":"a","count":1},{"name":"a","count":2}]')).toThrow(GroupError)
    expect(() => parseGroups('{}')).toThrow(GroupError)
  })
})
