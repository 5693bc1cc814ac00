import type { OutputLog } from '../../store/log/output.js'
import type { FollowedHost } from '../../store/postgres/follow.js'
import { beginOf } from './cursor.js'
import { compilePattern } from './pattern.js'
import { scanHost } from './scan-host.js'

const host = {
  stepExecutionId: '1',
  stepPosition: 0,
  hostId: '1',
  hostName: 'a',
  position: 0,
  attempt: 1,
  state: 'running',
  stdoutBytes: null,
  stderrBytes: null,
} as unknown as FollowedHost

/** Output that comes in pieces. */
const logOf = (pieces: readonly string[]) =>
  ({
    async *read({ stream }: { stream: string }, from: number) {
      const bytes = Buffer.from(stream === 'stdout' ? pieces.join('') : '')
      for (let at = from; at < bytes.length; at += 8) yield bytes.subarray(at, at + 8)
    },
  }) as unknown as OutputLog

const pattern = compilePattern({ text: 'needle', regex: false, ignoreCase: false })

describe('searching a host', () => {
  it.each([
    ['lines in small pieces', ['a line\n', 'a needle\n', 'and more\n']],
    ['a line that has no end yet', ['...........................needle']],
    ['nothing', []],
  ])('gets further on every page, however short, with %s', async (_what, pieces) => {
    const search = { log: logOf(pieces), day: '20261121', pattern, keep: 10, over: () => true }
    const found: number[] = []
    let from = beginOf(host)
    for (let pages = 0; ; pages++) {
      expect(pages).toBeLessThan(10)
      const scanned = await scanHost(host, from, search)
      found.push(...scanned.found.map((hit) => hit.offset))
      if (!scanned.left) break
      expect(scanned.left.offset).toBeGreaterThan(from.offset)
      from = scanned.left
    }
    expect(found).toEqual(pieces.length ? [pieces.join('').indexOf('needle')] : [])
  })
})
