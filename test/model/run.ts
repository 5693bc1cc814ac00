/**
 * A run as the documents say that it behaves (docs/glossary.md, docs/guide/runs.md, docs/guide/jobs.md): a pure machine that knows
 * nothing of `domain/`, on purpose. It is asked only where nothing moves any more: scripts run until they are told to end.
 */
export type HostState = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'skipped'
type StepState = HostState | 'waiting' | 'paused' | 'ignored'
type RunState = 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'cancelled'

/** `steps.s<step>.<ask> > 0`, or `== 0`. */
export interface When {
  step: number
  ask: 'failed' | 'succeeded' | 'skipped'
  any: boolean
}

export interface StepPlan {
  /** `nap` is over by itself, `wait` never. */
  kind: 'script' | 'nap' | 'wait'
  retries: number
  ignore: boolean
  limit: number | undefined
  when: When | undefined
}

export interface Host {
  state: HostState
  attempt: number
  /** Scripts of the host in this step that have begun. */
  begun: number
  /** Whether that of the latest attempt has. */
  started: boolean
}

export interface Step {
  plan: StepPlan
  state: StepState
  hosts: Host[]
  failuresIgnored: boolean
  /** It was skipped because its condition was not met. */
  notMet: boolean
  /** The same, of hosts. */
  notMetHosts: Set<Host>
}

export interface Run {
  state: RunState
  paused: boolean
  steps: Step[]
}

export function makeRun(plans: readonly StepPlan[], hosts: number): Run {
  const run: Run = { state: 'running', paused: false, steps: plans.map((plan) => makeStep(plan, hosts)) }
  goOn(run)
  return run
}

function makeStep(plan: StepPlan, hosts: number): Step {
  const all = plan.kind === 'script' ? hosts : 0
  return {
    plan,
    state: 'pending',
    hosts: Array.from({ length: all }, () => ({ state: 'pending', attempt: 1, begun: 0, started: false })),
    failuresIgnored: false,
    notMet: false,
    notMetHosts: new Set(),
  }
}

export const isOver = ({ state }: Run) => state === 'succeeded' || state === 'failed' || state === 'cancelled'
const done: readonly StepState[] = ['succeeded', 'skipped', 'ignored']
const isOpen = ({ state }: Host) => state === 'pending' || state === 'running'
export const isBad = ({ state }: Host) => state === 'failed' || state === 'cancelled'

/** The step that has begun and is not over. */
export const begunStep = (run: Run): Step | undefined =>
  run.steps.find(({ state }) => state === 'running' || state === 'waiting' || state === 'paused')

/** Gives a host another attempt. */
export function renew(host: Host): void {
  host.attempt++
  host.state = 'pending'
  host.started = false
}

/** Ends a host that has no end yet. */
export function stop(host: Host): void {
  if (isOpen(host)) host.state = 'cancelled'
}

export function skipPending(step: Step, notMet = false): void {
  for (const host of step.hosts) {
    if (host.state !== 'pending') continue
    host.state = 'skipped'
    if (notMet) step.notMetHosts.add(host)
    else step.notMetHosts.delete(host)
  }
  step.state = 'skipped'
  step.notMet = notMet
}

/** What a run does by itself, until only people and scripts can move it. */
export function goOn(run: Run): void {
  while (!run.paused && !isOver(run)) {
    const step = run.steps.find(({ state }) => !done.includes(state))
    if (!step) run.state = 'succeeded'
    else if (step.state === 'failed' || step.state === 'cancelled') run.state = step.state
    else if (step.state === 'pending' && !isMet(run, step)) skipPending(step, true)
    else if (!advance(run, step)) return
  }
}

function isMet(run: Run, { plan: { when } }: Step): boolean {
  if (!when) return true
  const hosts = run.steps[when.step]?.hosts.filter(({ state }) => state === when.ask) ?? []
  return hosts.length > 0 === when.any
}

/** @returns whether the step is over */
function advance(run: Run, step: Step): boolean {
  if (step.plan.kind === 'nap') step.state = 'succeeded'
  if (step.plan.kind === 'nap') return true
  const state = step.plan.kind === 'wait' ? 'waiting' : 'running'
  step.state = state
  run.state = state
  if (state === 'waiting') return false
  for (const host of step.hosts) if (host.state === 'failed' && host.begun <= step.plan.retries) renew(host)
  start(step)
  if (step.hosts.some(isOpen)) return false
  judge(step, 'failed')
  return true
}

function start({ plan, hosts }: Step): void {
  let free = (plan.limit ?? hosts.length) - hosts.filter(({ state }) => state === 'running').length
  for (const host of hosts) if (host.state === 'pending' && free-- > 0) begin(host)
}

function begin(host: Host): void {
  host.state = 'running'
  host.begun++
  host.started = true
}

/** The verdict of a step without open hosts. */
export function judge(step: Step, bad: 'failed' | 'cancelled' | 'ignored'): void {
  const isForgiven = step.plan.ignore || step.failuresIgnored
  const failed = bad === 'failed' && isForgiven ? 'ignored' : bad
  step.state = step.hosts.some(isBad) ? failed : 'succeeded'
}

/**
 * Which hosts begin first under a limit nobody promises: those that the engine took begin instead of others that just began.
 * @param taken which the engine has running
 * @param before how often each had begun when both last agreed
 */
export function adopt(hosts: readonly Host[], taken: readonly boolean[], before: readonly number[]): void {
  const others = hosts.filter((host, at) => isFresh(host, before[at]) && !taken[at])
  const instead = hosts.filter((host, at) => host.state === 'pending' && taken[at])
  if (others.length !== instead.length) return
  for (const host of others) Object.assign(host, { state: 'pending', begun: host.begun - 1, started: false })
  instead.forEach(begin)
}

const isFresh = ({ state, begun }: Host, before = 0) => state === 'running' && begun > before

/** Scripts come to their ends. */
export function finish(run: Run, ends: readonly { host: Host; isWell: boolean }[]): void {
  for (const { host, isWell } of ends) host.state = isWell ? 'succeeded' : 'failed'
  goOn(run)
}
