/** What a gateway's ledger writer makes of news that come one after another. */
import type { Logger } from '../../base/logger'
import type { HostUpdate } from '../../store/postgres/ledger'
import type { Pool } from '../../store/postgres/pool'
import type { HintSender } from './hints-out'
import { LedgerWriter } from './ledger-writer'

const news = (hostId: string, state: HostUpdate['state']) =>
  ({ executionId: '1', stepExecutionId: '1', hostId, attempt: 1, state, started: 'yes' }) as HostUpdate

/** A writer whose database notes the states that it is given. */
function begin() {
  const written: string[][] = []
  const agos: (number | undefined)[] = []
  const query = (_text: string, [updates]: unknown[]) => {
    if (typeof updates === 'string') {
      const batch = JSON.parse(updates) as HostUpdate[]
      written.push(batch.map(({ hostId, state }) => `${hostId} ${state}`))
      agos.push(...batch.map(({ startedAgoMs }) => startedAgoMs))
    }
    return Promise.resolve({ rows: [{ n: '1', key: '1/1/1' }] })
  }
  const hints = { add: () => {} } as unknown as HintSender
  const writer = new LedgerWriter({ query } as unknown as Pool, hints, {} as Logger)
  return { writer, written, agos }
}

describe('the ledger writer', () => {
  it('writes the end alone of a script that is short, and tells of it', async () => {
    const { writer, written } = begin()
    writer.add(news('1', 'running'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const settled = await new Promise((resolve) => writer.add(news('1', 'succeeded'), resolve))
    expect([settled, written]).toEqual([true, [['1 succeeded']]])
  })

  it('writes the beginning of one that is not', async () => {
    const { writer, written } = begin()
    writer.add(news('1', 'running'))
    await writer.drain()
    expect(written).toEqual([['1 running']])
  })

  it('tells of a beginning as so much longer ago as it has waited', async () => {
    const { writer, agos } = begin()
    writer.add({ ...news('1', 'running'), startedAgoMs: 1_000 })
    await writer.drain()
    expect(agos[0]).toBeGreaterThan(1_045)
    expect(agos[0]).toBeLessThan(1_500)
  })

  it('keeps no end waiting for another', async () => {
    const { writer, written } = begin()
    const from = performance.now()
    writer.add(news('1', 'failed'))
    writer.add(news('2', 'running'))
    await writer.drain()
    expect(written).toEqual([['1 failed', '2 running']])
    expect(performance.now() - from).toBeLessThan(50)
  })
})
