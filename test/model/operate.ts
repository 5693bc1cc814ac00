/** What operations do to a run of the model, and which it refuses: said again from the documents, apart from `domain/`. */
import {
  begunStep,
  goOn,
  type Host,
  isBad,
  isOver,
  judge,
  renew,
  type Run,
  skipPending,
  type Step,
  stop,
} from './run'

export interface Operation {
  kind: 'cancel' | 'pause' | 'resume' | 'retry' | 'skip' | 'ignore' | 'next'
  hard?: true
  step?: number
  all?: true
  /** skip: the one host that is left out, by its place. */
  host?: number
  seen?: 'open' | 'ended'
}

/** @returns whether it is accepted; the run is as it was where not */
export function operate(run: Run, operation: Operation): boolean {
  const ended = isOver(run)
  if (operation.seen !== undefined && (operation.seen === 'ended') !== ended) return false
  const accepted = (ended ? whenEnded : whileOpen)[operation.kind](run, operation)
  goOn(run)
  return accepted
}

type Deed = (run: Run, operation: Operation) => boolean
type Deeds = Record<Operation['kind'], Deed>

const whileOpen: Deeds = {
  cancel(run) {
    const begun = begunStep(run)
    for (const host of run.steps.flatMap(({ hosts }) => hosts)) stop(host)
    if (begun?.hosts.length) judge(begun, 'cancelled')
    else if (begun) begun.state = 'cancelled'
    for (const step of run.steps) if (step.state === 'pending') step.state = 'cancelled'
    run.state = 'cancelled'
    run.paused = false
    return true
  },
  pause(run, { hard }) {
    if (run.paused && !hard) return false
    const begun = begunStep(run)
    if (hard) for (const host of begun?.hosts ?? []) if (host.state === 'running') stop(host)
    if (begun) begun.state = 'paused'
    run.paused = true
    run.state = 'paused'
    return true
  },
  resume(run) {
    if (!run.paused) return false
    const begun = begunStep(run)
    for (const host of begun?.hosts ?? []) if (host.state === 'cancelled' && !host.started) renew(host)
    run.paused = false
    return true
  },
  retry(run, { step: position, all }) {
    const begun = begunStep(run)
    if (!begun?.hosts.length || (position !== undefined && run.steps[position] !== begun)) return false
    const hosts = begun.hosts.filter((host) => isBad(host) || (all && host.state === 'succeeded'))
    if (!hosts.length) return false
    hosts.forEach(renew)
    askAgain(run, run.steps.indexOf(begun))
    return true
  },
  skip(run, operation) {
    const step = run.steps[operation.step ?? -1]
    if (operation.host !== undefined)
      return isOneOf(step, ['pending', 'running', 'paused']) && leaveOut(step, operation.host)
    if (!isOneOf(step, ['pending', 'waiting'])) return false
    skipPending(step)
    return true
  },
  ignore(run, { step: position }) {
    const step = run.steps[position ?? -1]
    if (!isOneOf(step, ['running', 'paused']) || !step.hosts.length || step.failuresIgnored) return false
    step.failuresIgnored = true
    return true
  },
  next(run, { step: position }) {
    const begun = begunStep(run)
    if (!begun || (position !== undefined && run.steps[position] !== begun)) return false
    run.paused = false
    if (!begun.hosts.length) skipPending(begun)
    else {
      begun.hosts.forEach(stop)
      judge(begun, 'ignored')
    }
    return true
  },
}

const whenEnded: Deeds = {
  cancel: () => false,
  pause: () => false,
  resume(run) {
    if (run.state === 'succeeded') return false
    if (!run.steps.some((step) => isOneOf(step, ['pending', 'cancelled']))) return false
    return takeUp(run, {})
  },
  retry(run, { step: position, all }) {
    const named = position === undefined ? undefined : run.steps[position]
    if (position !== undefined && !isOneOf(named, ['succeeded', 'failed', 'cancelled', 'ignored']))
      return false
    const takes = (host: Host) => isBad(host) || (all === true && host.state === 'succeeded')
    const among = (...states: Step['state'][]) =>
      run.steps.filter((step) => isOneOf(step, states) && step.hosts.some(takes))
    const retried = named
      ? [named].filter(({ hosts }) => hosts.some(takes))
      : all
        ? allOf(among)
        : among('failed', 'cancelled', 'ignored')
    const [first] = retried
    return first !== undefined && takeUp(run, { retried, takes, askedAfter: run.steps.indexOf(first) })
  },
  skip(run, operation) {
    const step = run.steps[operation.step ?? -1]
    if (operation.host !== undefined) return leaveOutOfEnded(run, step, operation.host)
    if (run.state === 'succeeded' || !isOneOf(step, ['pending', 'failed', 'cancelled'])) return false
    return takeUp(run, { past: step, how: 'skip' })
  },
  ignore(run, { step: position }) {
    const step = run.steps[position ?? -1]
    if (run.state === 'succeeded' || !isOneOf(step, ['failed'])) return false
    if (!takeUp(run, { past: step, how: 'ignore' })) return false
    step.failuresIgnored = true
    return true
  },
  next(run, { step: position }) {
    const step =
      position === undefined ? run.steps.find(({ state }) => state === 'cancelled') : run.steps[position]
    if (run.state !== 'cancelled' || !isOneOf(step, ['cancelled'])) return false
    return takeUp(run, { past: step, how: step.hosts.length ? 'ignore' : 'skip' })
  },
}

const isOneOf = (step: Step | undefined, states: readonly Step['state'][]): step is Step =>
  step !== undefined && states.includes(step.state)

/** Whose hosts are meant by all, where no step is named. */
function allOf(among: (...states: Step['state'][]) => Step[]): Step[] {
  const [ended] = among('failed', 'cancelled')
  if (ended) return [ended]
  const ignored = among('ignored')
  const only = ignored.length ? ignored : among('succeeded')
  return only.length === 1 ? only : []
}

interface Taking {
  retried?: readonly Step[]
  takes?: (host: Host) => boolean
  /** Steps after this one are asked again for their conditions. */
  askedAfter?: number
  /** A step that the run goes past; those that were cancelled after it are resumed. */
  past?: Step
  how?: 'skip' | 'ignore'
}

/** An ended run goes on, unless it would end at once where it stands. */
function takeUp(
  run: Run,
  { retried = [], takes = isBad, askedAfter = run.steps.length, past, how }: Taking,
): boolean {
  const from = past ? run.steps.indexOf(past) : -1
  const asked = run.steps.filter((step, at) => at > askedAfter && step.state === 'skipped' && step.notMet)
  const resumed = run.steps.filter(
    (step, at) => step.state === 'cancelled' && at > from && !retried.includes(step),
  )
  const begins = (step: Step) => retried.includes(step) || resumed.includes(step) || asked.includes(step)
  for (const step of run.steps) {
    if (begins(step) || (step !== past && step.state === 'pending')) break
    if (step !== past && (step.state === 'failed' || step.state === 'cancelled')) return false
  }
  for (const step of retried) step.hosts.filter(takes).forEach(renew)
  for (const step of resumed)
    step.hosts.filter(({ state, started }) => state === 'cancelled' && !started).forEach(renew)
  for (const step of [...retried, ...resumed]) step.state = 'pending'
  if (asked.length) askAgain(run, askedAfter)
  if (past && how === 'skip') skipPending(past)
  else if (past) Object.assign(past, { state: 'ignored', isPassed: true })
  run.state = 'running'
  return true
}

function askAgain(run: Run, after: number): void {
  for (const step of run.steps.slice(after + 1)) {
    if (step.state !== 'skipped' || !step.notMet) continue
    for (const host of step.notMetHosts) if (host.state === 'skipped') renew(host)
    step.notMetHosts.clear()
    step.notMet = false
    step.state = 'pending'
  }
}

function leaveOut(step: Step, place: number): boolean {
  const host = step.hosts[place]
  if (!host || (host.state !== 'pending' && !isBad(host))) return false
  if (isBad(host)) renew(host)
  host.state = 'skipped'
  return true
}

/** The step is well when nobody else is bad, and the run goes on if it stood there. */
function leaveOutOfEnded(run: Run, step: Step | undefined, place: number): boolean {
  if (!isOneOf(step, ['pending', 'failed', 'cancelled', 'ignored']) || !leaveOut(step, place)) return false
  if (step.state === 'pending' || step.hosts.some(isBad)) return true
  step.state = 'succeeded'
  const stands = run.steps.find(
    ({ state }) => state === 'pending' || state === 'failed' || state === 'cancelled',
  )
  if (run.state !== 'succeeded' && (!stands || stands.state === 'pending')) run.state = 'running'
  return true
}
