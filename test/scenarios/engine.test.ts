/** Scenarios about what is pressed in Temporal's own UI: the ledger stays the one that decides. */
import { randomUUID } from 'node:crypto'
import { Scene } from '../helpers/scene'

describe("scenario 07: pressed in Temporal's UI", () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.start({ agents: 4 })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const workflow = async (id: string) =>
    (await scene.temporal()).workflow.getHandle(`execution/default/${id}`)

  /** Resets a run's workflow to its first task, whatever has happened since. */
  async function reset(id: string): Promise<void> {
    const { events } = await (await workflow(id)).fetchHistory()
    const first = events?.find((event) => event.workflowTaskCompletedEventAttributes)
    await (await scene.temporal()).workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: `execution/default/${id}` },
      workflowTaskFinishEventId: first?.eventId ?? null,
      requestId: randomUUID(),
      reason: 'a test',
    })
  }

  const perHost = async (id: string) =>
    (await scene.api.hosts(id)).map((host) => [scene.starts(id, host.hostId), scene.ends(id, host.hostId)])

  it('a reset of a finished run starts nothing', async () => {
    const id = await scene.launch('*', 'true')
    await scene.api.ended(id)
    await reset(id)
    await (await workflow(id)).result()
    expect(await perHost(id)).toEqual(Array(4).fill([1, 1]))
    expect((await scene.api.get(id)).state).toBe('succeeded')
  })

  it('a reset of a running run lets it go on, and no script starts twice', async () => {
    const id = await scene.launch('*', 'sleep 4')
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    await reset(id)
    const view = await scene.api.ended(id)
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
    expect(await perHost(id)).toEqual(Array(4).fill([1, 1]))
  })

  it('a terminated run is not running after ten seconds, and its scripts are stopped', async () => {
    const id = await scene.launch('*', 'sleep 60')
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    await (await workflow(id)).terminate('a test')
    const view = await scene.api.ended(id, 10_000)
    expect(view).toMatchObject({ state: 'failed', reason: 'engine_terminated' })
    await scene.api.until(id, (now) => now.steps[0]?.counts['cancelled'] === 4, 15_000)
    expect(await perHost(id)).toEqual(Array(4).fill([1, 0]))
  })

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
