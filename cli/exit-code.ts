/** Exit codes: documented, stable, and the same for every command. */
import type { DroverError, ExecutionDetail } from '../sdk/index.js'

export const exitCodes = {
  ok: 0,
  hostsFailed: 1,
  usage: 2,
  refused: 3,
  timedOut: 4,
  cancelled: 5,
  unknown: 6,
  forbidden: 7,
  notFound: 8,
  conflict: 9,
  unavailable: 75,
  /** Ctrl-C, as every shell has it: the run goes on. */
  interrupted: 130,
} as const

export const exitCodeHelp = `
Exit codes:
  0  all hosts ok                        6  outcome unknown on some host
  1  some hosts failed                   7  not authenticated, or not allowed
  2  wrong usage                         8  not found
  3  refused, or a number to confirm     9  conflict with the present state
  4  timed out                          75  service unavailable: repeat it safely with
  5  cancelled                              the same --idempotency-key
                                       130  detached by Ctrl-C; the run goes on

Environment: DROVER_URL (http://127.0.0.1:8080), DROVER_TOKEN, DROVER_SCOPE (default), NO_COLOR`

/** Of a command that ended with an error of the API. */
export function exitCodeOf(error: DroverError): number {
  if (error.code === 'confirmation_required') return exitCodes.refused
  if (error.code === 'target_empty' || error.code === 'nothing_to_cancel') return exitCodes.notFound
  switch (error.status) {
    case 401:
    case 403:
      return exitCodes.forbidden
    case 404:
      return exitCodes.notFound
    case 409:
      return exitCodes.conflict
    case 400:
    case 405:
    case 413:
    case 416:
      return exitCodes.usage
    default:
      return exitCodes.unavailable
  }
}

/** Of a run that has ended. */
export function exitCodeOfRun(run: Pick<ExecutionDetail, 'state' | 'reason' | 'steps'>): number {
  if (run.state === 'succeeded') return exitCodes.ok
  if (run.state === 'cancelled') return exitCodes.cancelled
  const failed = run.steps.filter((step) => step.state === 'failed')
  const count = (state: keyof (typeof run.steps)[number]['counts']) =>
    failed.reduce((sum, step) => sum + (step.counts[state] ?? 0), 0)
  if (count('unknown')) return exitCodes.unknown
  if (run.reason === 'execution_expired') return exitCodes.timedOut
  const otherwise = count('failed') + count('rejected') + count('offline') + count('cancelled')
  return count('timed_out') && !otherwise ? exitCodes.timedOut : exitCodes.hostsFailed
}
