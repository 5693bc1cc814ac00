/** Steering: what operators do to runs while they run, and to those that have failed. */
import { finalStates, pause, type TestApi } from '../helpers/api'
import type { Load, Run } from './load'
import type { FollowUp } from './shapes'

/** Done to a run some time after its first script has begun. A refusal is an answer: it came too late. */
export async function steer(load: Load, api: TestApi, run: Run, random: () => number): Promise<void> {
  switch (run.shape.followUp) {
    case 'cancel':
      run.cancelAsked = true
      return void (await load.operate(run, { kind: 'cancel' }))
    case 'pause':
    case 'hard pause':
      await load.operate(run, {
        kind: 'pause',
        ...(run.shape.followUp === 'hard pause' ? { hard: true } : {}),
      })
      await pause(1_000 + random() * 3_000)
      return void (await load.operate(run, { kind: 'resume' }))
    case 'next':
      return void (await load.operate(run, { kind: 'next', step: 0 }))
    case 'skip step':
      return void (await load.operate(run, { kind: 'skip', step: 1 }))
    case 'skip host': {
      const [first] = await api.hosts(run.id, 1)
      if (first) await load.operate(run, { kind: 'skip', step: 1, hosts: [first.hostId] })
      return
    }
    case 'undo':
      return undo(load, api, run)
    case 'undo paused':
      await load.operate(run, { kind: 'pause' })
      await pause(random() * 2_000)
      return undoPaused(load, run)
    case 'none':
    case 'retry':
    case 'ignore':
      // Left alone while it runs.
      return
  }
}

const ENDED_WITHIN_MS = 60_000

/** A run is undone when it has ended; where a host is unknown it is not, for nobody here can say what it did. */
async function undo(load: Load, api: TestApi, run: Run): Promise<void> {
  for (const until = Date.now() + ENDED_WITHIN_MS; Date.now() < until; await pause(500)) {
    if (!finalStates.includes((await api.get(run.id)).state)) continue
    return void (await load.operate(run, { kind: 'undo' }))
  }
}

/** An undo of a paused run cancels it first. Where a host is unknown it is refused, and the run would stay paused. */
async function undoPaused(load: Load, run: Run): Promise<void> {
  run.cancelAsked = true
  if (await load.operate(run, { kind: 'undo' })) return
  run.cancelAsked = false
  // One that has ended meanwhile is not taken up again.
  await load.operate(run, { kind: 'resume', seen: 'open' })
}

/** What is done once to a run that has failed, as it was made to. */
export const afterFailure: Partial<Record<FollowUp, Record<string, unknown>>> = {
  retry: { kind: 'retry' },
  ignore: { kind: 'ignore', step: 0 },
}
