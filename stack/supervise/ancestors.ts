/** Notices that whoever started us is gone (npm killed with -9 tells its children nothing). */
import { commandOf, isRunning, statOf } from './proc.js'

interface Ancestor {
  pid: number
  birth: string
}

/**
 * The processes above us up to npm, or up to the preparation when there is no npm. A bare `node dist/…` has none: it may
 * be left behind by its shell on purpose.
 */
function ancestorsToWatch(env: Record<string, string | undefined>): Ancestor[] {
  const chain: Ancestor[] = []
  let watched = 0
  for (let pid = process.ppid; pid > 1; ) {
    const stat = statOf(pid)
    if (!stat) break
    chain.push({ pid, birth: stat.birth })
    const isPreparation = String(pid) === env['DROVER_PREPARE_PID']
    const isNpm = env['npm_lifecycle_event'] !== undefined && /^(\S*node )?\S*\bnpm\b/.test(commandOf(pid))
    if (isPreparation || isNpm) watched = chain.length
    if (isNpm) break
    pid = stat.parent
  }
  return chain.slice(0, watched)
}

/**
 * Calls `onGone` once when an ancestor has died. Looks twice a second; there is no event for it.
 * @returns a function that ends the watch
 */
export function watchAncestors(onGone: () => void): () => void {
  const ancestors = ancestorsToWatch(process.env)
  const timer = setInterval(() => {
    if (ancestors.every(({ pid, birth }) => isRunning(pid, birth))) return
    clearInterval(timer)
    onGone()
  }, 500)
  timer.unref()
  return () => clearInterval(timer)
}
