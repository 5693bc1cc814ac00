/** What a kill has left of a task's tree: nothing, within the second that is promised. */
import { processesOfTask } from '../process/proc.js'

// A process that was killed may be seen until the kernel has taken it away; the promise is a second.
const WITHIN_MS = 1_000

/** Resolves when no process carries the task's marker. Throws, naming those that do, if some are left after a second. */
export async function expectNoneOfTask(marker: Record<string, string>): Promise<void> {
  for (const until = Date.now() + WITHIN_MS; ; ) {
    const left = processesOfTask(marker)
    if (!left.length) return
    if (Date.now() > until)
      throw new Error(`processes ${left.join(', ')} are left of task ${marker['DROVER_TASK']}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
