/** Scenarios about operations: the same one twice, and more of them than Temporal keeps of one history. */
import { randomUUID } from 'node:crypto'
import { OPERATE, type OperateResult } from '../../workflows/messages'
import { eventually, Scene } from '../helpers/scene'

// Temporal takes 2,000 updates of one history.
const OPERATIONS = 2_001
const AT_ONCE = 8

describe('operations', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.start({ agents: 2 })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  it('scenario 13: 2,001 on one run, and one again under a new history: each acts once, each is answered', async () => {
    const failing = await scene.hostId('rack-a-1')
    const id = await scene.launch('*', `[ $DROVER_HOST = ${failing} ] && exit 1\nsleep 600`)
    await scene.api.until(
      id,
      ({ steps: [step] }) => step?.counts['failed'] === 1 && step.counts['running'] === 1,
    )
    const temporal = await scene.temporal()
    const workflow = temporal.workflow.getHandle(`execution/default/${id}`)
    const { runId } = await workflow.describe()

    // A retry that was accepted is a start of the failing host; one while it runs is refused, with the reason.
    const first = { kind: 'retry', operationId: randomUUID() }
    expect((await scene.api.operate(id, first)).body.state).toBe('accepted')
    const answers: { accepted: number; refused: number; other: unknown[] } = {
      accepted: 1,
      refused: 0,
      other: [],
    }
    let asked = 1
    const ask = async () => {
      while (asked < OPERATIONS) {
        asked++
        const { status, body } = await scene.api.operate(id, { kind: 'retry' })
        if (body.state === 'accepted') answers.accepted++
        else if (body.code === 'operation_refused') answers.refused++
        else answers.other.push({ status, body })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, ask))
    process.stdout.write(`scenario 13: ${answers.accepted} accepted, ${answers.refused} refused\n`)
    expect(answers.other).toEqual([])
    expect(answers.accepted + answers.refused).toBe(OPERATIONS)
    const counted = async () =>
      (await scene.api.get(id)).steps[0]?.counts['failed'] === 1 ? true : undefined
    await eventually('the last retry has failed again', counted)
    expect(scene.starts(id, failing)).toBe(1 + answers.accepted)

    const { runId: now } = await workflow.describe()
    expect(now).not.toBe(runId)
    expect((await scene.api.operate(id, first)).body.state).toBe('accepted')
    // Past the API, where a new history knows nothing of the updates of the old one.
    const again = await workflow.executeUpdate<OperateResult, [unknown]>(OPERATE, {
      updateId: first.operationId,
      args: [{ ...first, args: {} }],
    })
    expect(again.state).toBe('accepted')
    expect((await scene.api.hosts(id)).find((host) => host.hostId === failing)).toMatchObject({
      attempt: 1 + answers.accepted,
      state: 'failed',
    })
    expect(scene.starts(id, failing)).toBe(1 + answers.accepted)
  }, 420_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
