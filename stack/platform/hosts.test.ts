/** The hosts that a stack plays. */
import { stackHosts } from './hosts.js'

describe('the hosts of a stack', () => {
  it('stand in two racks of equal size', () => {
    expect(stackHosts(8).map((host) => host.name)).toEqual([
      'rack-a-1',
      'rack-a-2',
      'rack-a-3',
      'rack-a-4',
      'rack-b-1',
      'rack-b-2',
      'rack-b-3',
      'rack-b-4',
    ])
  })

  it('put an odd one in the first rack', () => {
    expect(stackHosts(3).map((host) => host.rack)).toEqual(['a', 'a', 'b'])
  })
})
