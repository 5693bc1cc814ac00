/** Finding every task again after a restart, and going on with each as the evidence says. */
import { createLogger } from '../../base/logger.js'
import { delay } from '../../base/backoff.js'
import { Started, TaskState } from '../../proto/index.js'
import type { Journal } from '../journal/journal.js'
import { decideRecovery, type Evidence } from '../journal/recover.js'
import { TaskFolder } from '../journal/task-folder.js'
import { findProcessesOfTask, isRunning, taskMarker, ticksToMs } from '../process/proc.js'
import { isScriptRunning } from './runner.js'
import { isUnclaimed, Task } from './task.js'
import type { Tasks } from './tasks.js'
import { bootedAgain, cancelledUnstarted, decideVerdict, interrupted } from './verdict.js'

const log = createLogger('agent:recover')

// A wrapper that has claimed writes its pid within a few ms; on a loaded host it may take this long.
const SEARCH_MS = 2_000

/** Goes through the journal in order of acceptance. Folders without an intent are what a crash left half made. */
export async function recoverTasks(tasks: Tasks, journal: Journal): Promise<void> {
  const found: Task[] = []
  for (const id of await journal.taskIds()) {
    const task = await readTask(tasks, new TaskFolder(journal.taskFolder(id)), id)
    if (task) found.push(task)
  }
  found.sort((a, b) => (a.intent?.acceptedAtMs ?? 0) - (b.intent?.acceptedAtMs ?? 0))
  for (const task of found) tasks.open.add(task)
  const searches: Promise<void>[] = []
  for (const task of found) {
    if (!task.result) searches.push(...(await recoverTask(tasks, journal, task)))
  }
  // They wait for wrappers, all at the same time.
  await Promise.all(searches)
}

async function readTask(tasks: Tasks, folder: TaskFolder, id: string): Promise<Task | undefined> {
  if ((await folder.readSettled()) === 'complete') return undefined
  const ended = await tasks.open.find(id)
  // Of an id that was cancelled before its dispatch came there is nothing to tell until then.
  if (ended) return isUnclaimed(ended) || (await tasks.open.dropIfDone(ended)) ? undefined : ended
  const intent = await folder.readIntent()
  if (!intent) {
    await folder.remove()
    return undefined
  }
  const output = tasks.openOutput(folder, id, intent, await folder.readCapped())
  const acked = await folder.readAcked()
  output.stdout.resume(acked.stdout)
  output.stderr.resume(acked.stderr)
  const task = new Task({ id, folder, intent, output })
  const wrapper = await folder.readWrapper()
  if (wrapper && intent.bootId) task.startedUptimeMs = ticksToMs(wrapper.startTicks)
  return task
}

/** @returns what goes on in the background */
async function recoverTask(tasks: Tasks, journal: Journal, task: Task): Promise<Promise<void>[]> {
  const evidence = await gather(journal, task)
  const recovery = decideRecovery(evidence)
  log.info({ taskId: task.id, ...recovery }, 'a task of an earlier life was found')
  switch (recovery.action) {
    case 'done':
      break
    case 'conclude':
    case 'interrupted':
      await conclude(tasks, journal, task, recovery)
      break
    case 'rebooted':
      await tasks.finish(task, bootedAgain())
      break
    case 'adopt':
      tasks.adopt(task)
      break
    case 'claim':
      await claim(tasks, task)
      break
    case 'search':
      return [search(tasks, journal, task)]
  }
  return []
}

async function gather(journal: Journal, task: Task): Promise<Evidence> {
  const { folder } = task
  const wrapper = await folder.readWrapper()
  // Looked at before the exit: a wrapper seen dead has written its exit by the time that is read.
  const wrapperRuns = wrapper !== undefined && isRunning(wrapper.pid, wrapper.startTicks)
  return {
    hasResult: task.result !== undefined,
    hasExit: (await folder.readExit()) !== undefined,
    sameBoot: task.intent?.bootId === journal.bootId,
    isReboot: task.isReboot,
    claimed: (await folder.readClaims()).taken,
    wrapperKnown: wrapper !== undefined,
    wrapperRuns,
    scriptSeen: (await folder.readGroup()) !== undefined,
    scriptRuns: await isScriptRunning(task, { journal }),
  }
}

/** Writes the verdict that the records already hold. */
async function conclude(
  tasks: Tasks,
  journal: Journal,
  task: Task,
  recovery:
    | { action: 'conclude' }
    | { action: 'interrupted'; reason: 'interrupted' | 'rebooted'; started: 'yes' | 'maybe' },
): Promise<void> {
  const { folder } = task
  const [exit, cancel, timeout] = [
    await folder.readExit(),
    await folder.readCancel(),
    await folder.readTimeout(),
  ]
  const decided = decideVerdict({ exit, cancel, timeout, bootId: task.intent?.bootId ?? '', leftOver: [] })
  const ranHere = task.intent?.bootId === journal.bootId
  const isStopped =
    recovery.action === 'conclude' ? decided.state !== TaskState.TASK_STATE_EXITED : cancel || timeout
  // Ended by us, and the agent died over it: whatever is left of it must still go.
  if (ranHere && isStopped) return tasks.adopt(task)
  if (recovery.action === 'conclude') return tasks.finish(task, decided)
  const started = recovery.started === 'yes' ? Started.STARTED_YES : Started.STARTED_MAYBE
  return tasks.finish(task, interrupted(recovery.reason, started))
}

/** Nobody claimed it: taking the claim away from any late wrapper makes a new start safe. */
async function claim(tasks: Tasks, task: Task): Promise<void> {
  // The agent may have been killed before it had flushed the order: forgotten in a power cut, it would start again.
  await task.folder.flush().catch((error: unknown) => {
    log.warn(
      { taskId: task.id, err: error },
      'an order could not be flushed to the disk; it is carried out all the same',
    )
  })
  const { slot } = await task.folder.readClaims()
  if (!(await task.folder.voidClaim(slot))) return tasks.adopt(task)
  const cancel = await task.folder.readCancel()
  if (cancel) return tasks.finish(task, cancelledUnstarted(cancel.reason))
  tasks.enqueue(task, slot + 1)
}

/** Claimed, and no pid yet: the wrapper may be at it this very moment. */
async function search(tasks: Tasks, journal: Journal, task: Task): Promise<void> {
  const marker = taskMarker(journal.id, task.id)
  const until = performance.now() + SEARCH_MS
  do {
    const known =
      (await task.folder.readWrapper()) !== undefined || (await task.folder.readExit()) !== undefined
    if (known || (await findProcessesOfTask(marker)).length > 0) return tasks.adopt(task)
    await delay(50)
  } while (performance.now() < until)
  await conclude(tasks, journal, task, { action: 'interrupted', reason: 'interrupted', started: 'maybe' })
}
