/** What a run leaves in Temporal: few events, small payloads, no task that failed, no secret or script text. */
import { Client, Connection } from '@temporalio/client'
import type { Platform } from '../../stack/platform/platform'
import { TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

const PAYLOAD_MAX_BYTES = 64 * 1024

describe('the history of a run', () => {
  let platform: Platform
  let api: TestApi
  let client: Client

  beforeAll(async () => {
    // Ten shards of one host leave the same history as ten shards of 1,000.
    platform = await startTestPlatform({ agents: 10, env: { worker: { DROVER_SHARD_MAX_HOSTS: '1' } } })
    api = new TestApi(platform)
    const address = platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    client = new Client({ connection: await Connection.connect({ address }) })
  }, 120_000)

  afterAll(async () => {
    await client?.connection.close()
    await platform?.close()
  }, 60_000)

  async function historyOf(id: string) {
    const history = await client.workflow.getHandle(`execution/default/${id}`).fetchHistory()
    return history.events ?? []
  }

  const launch = (target: string, steps: number, script = 'true') =>
    api.launch({
      target,
      confirm: target === '*' ? 10 : undefined,
      plan: {
        name: 'budget',
        steps: Array.from({ length: steps }, (_, i) => ({ name: `step ${i}`, language: 'sh', script })),
      },
    })

  it('has at most 15 events a step on one gateway', async () => {
    const one = await launch('name:rack-a-1', 1)
    const five = await launch('name:rack-a-1', 5)
    await Promise.all([api.ended(one), api.ended(five)])
    await record(platform, one, 'one-step')
    await record(platform, five, 'five-steps')
    const [short, long] = [await historyOf(one), await historyOf(five)]
    process.stdout.write(`events: one step ${short.length}, five steps ${long.length}\n`)
    expect((long.length - short.length) / 4).toBeLessThanOrEqual(15)
    expect(short.length).toBeLessThanOrEqual(30)
  })

  it('has at most 80 events for a step of ten shards', async () => {
    const id = await launch('*', 1)
    await api.ended(id)
    await record(platform, id, 'ten-shards')
    const events = await historyOf(id)
    process.stdout.write(`events: one step of ten shards ${events.length}\n`)
    expect(events.filter((event) => event.activityTaskScheduledEventAttributes)).toHaveLength(10)
    expect(events.length).toBeLessThanOrEqual(80)
  })

  it('has no failed workflow task, no payload over 64 KiB, and no text of a script', async () => {
    const canary = 'canary-5f1c2a'
    const id = await launch('name:rack-a-1', 2, `echo ${canary}`)
    await api.ended(id)
    const events = await historyOf(id)
    expect(events.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([])
    for (const event of events) {
      const text = JSON.stringify(event, (_, value) =>
        value?.type === 'Buffer' || value instanceof Uint8Array ? Buffer.from(value).toString() : value,
      )
      expect(text.length).toBeLessThan(PAYLOAD_MAX_BYTES)
      expect(text).not.toContain(canary)
    }
  })

  it('is summed up for people: every activity says what it does', async () => {
    const id = await launch('name:rack-a-1', 1)
    await api.ended(id)
    const scheduled = (await historyOf(id)).filter((event) => event.activityTaskScheduledEventAttributes)
    const summaries = scheduled.map((event) =>
      Buffer.from(event.userMetadata?.summary?.data ?? []).toString(),
    )
    expect(summaries).toEqual(['"step 0 · 1 host · gateway-1"'])
  })
})
