/** Steering: what operators do to runs while they run, and to those that have failed. */
import { finalStates, type HostResultView, pause, type TestApi } from '../helpers/api'
import type { Load, Run } from './load'
import type { FollowUp } from './shapes'

/** Done to a run some time after its first script has begun. A refusal is an answer: it came too late. */
export async function steer(load: Load, api: TestApi, run: Run, random: () => number): Promise<void> {
  switch (run.shape.followUp) {
    case 'cancel':
      run.cancelAsked = true
      return void (await load.operate(run, { kind: 'cancel' }))
    case 'bulk cancel':
      run.cancelAsked = true
      return load.cancelAll(run)
    case 'redo':
      return load.redo(run)
    case 'edited resume':
      await load.operate(run, { kind: 'pause' })
      await pause(1_000 + random() * 3_000)
      return void (await load.operate(run, { kind: 'resume', seen: 'open', script: edited(run, 0) }))
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
    case 'retry':
    case 'retry all':
    case 'edited retry':
    case 'retry unknown':
    case 'ignore':
      return takeUpOnceFailed(load, api, run)
    case 'none':
      return
  }
}

/** Among the faults, if it ends in time; else when all is quiet again (drain.ts). */
async function takeUpOnceFailed(load: Load, api: TestApi, run: Run): Promise<void> {
  if (await hasEnded(api, run)) await takeUp(load, api, run)
}

/** Does once to a run that has failed what is done to such runs. @returns whether it goes on */
export async function takeUp(load: Load, api: TestApi, run: Run): Promise<boolean> {
  const operation = afterFailure[run.shape.followUp]
  if (!operation || run.takenUp || (await api.get(run.id)).state !== 'failed') return false
  run.takenUp = true
  const hosts = await Promise.all(run.shape.steps.map((_, position) => api.hosts(run.id, position)))
  return load.operate(run, operation(run, hosts.flat()))
}

const ENDED_WITHIN_MS = 60_000

/** A run is undone when it has ended; where a host is unknown it is not, for nobody here can say what it did. */
async function undo(load: Load, api: TestApi, run: Run): Promise<void> {
  if (await hasEnded(api, run)) await load.operate(run, { kind: 'undo' })
}

async function hasEnded(api: TestApi, run: Run): Promise<boolean> {
  for (const until = Date.now() + ENDED_WITHIN_MS; Date.now() < until; await pause(500))
    if (finalStates.includes((await api.get(run.id)).state)) return true
  return false
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
const afterFailure: Partial<
  Record<FollowUp, (run: Run, hosts: readonly HostResultView[]) => Record<string, unknown>>
> = {
  retry: () => ({ kind: 'retry' }),
  'retry all': () => ({ kind: 'retry', all: true }),
  'edited retry': (run) => ({ kind: 'retry', step: 0, script: edited(run, 0) }),
  'retry unknown': (_run, hosts) => {
    const unknownHosts = hosts.filter(({ state }) => state === 'unknown').length
    return { kind: 'retry', ...(unknownHosts ? { includeUnknown: true, unknownHosts } : {}) }
  },
  ignore: () => ({ kind: 'ignore', step: 0 }),
}

/** Another text that does the same. */
const edited = ({ shape }: Run, position: number): string =>
  `# edited\n${String(shape.plan.steps[position]?.['script'])}`
