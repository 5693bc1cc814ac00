/**
 * A run as the documents say that it behaves (docs/glossary.md, docs/guide/runs.md, docs/guide/jobs.md): a pure machine that knows
 * nothing of `domain/`, on purpose. It is asked only where nothing moves any more: scripts run until they are told to end.
 */
export type HostState = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'skipped'
type StepState = HostState | 'waiting' | 'paused' | 'ignored'
type RunState = 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'cancelled'

/** `steps.<name>.<ask> > 0`, or `== 0`. */
export interface When {
  name: string
  /** Steps whose hosts are added up: the one of that name, or all of the nested plan. */
  of: readonly number[]
  ask: 'failed' | 'succeeded' | 'skipped'
  any: boolean
}

/** Steps that come with a plan, which a step of the run brings. */
export interface Visit {
  first: number
  end: number
  /** Where a step of it fails, the rest of it is left out. */
  ignore: boolean
  when: When | undefined
}

export interface StepPlan {
  /** `nap` is over by itself, `wait` never. */
  kind: 'script' | 'nap' | 'wait'
  retries: number
  ignore: boolean
  limit: number | undefined
  when: When | undefined
  visit: Visit | undefined
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
  /** An operator made it `ignored`, by word or by going past it. */
  isPassed: boolean
  /** It was skipped because a condition was not met, or because its plan was left. */
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
    isPassed: false,
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
    else if (step.state === 'pending' && isLeftOut(run, step)) skipPending(step, true)
    else if (!advance(run, step)) return
  }
}

function isLeftOut(run: Run, step: Step): boolean {
  const { when, visit } = step.plan
  // The rest of the plan is left out: a step before the one that failed is not of it, when it is retried.
  const isLeft = visit?.ignore && run.steps.slice(visit.first, run.steps.indexOf(step)).some(leaves)
  return isLeft || !isMet(run, visit?.when) || !isMet(run, when)
}

/** Whether the plan that ignores failures is left here: unless the step does so itself, or an operator went past it. */
const leaves = ({ state, plan, isPassed }: Step) => state === 'ignored' && !plan.ignore && !isPassed

function isMet(run: Run, when: When | undefined): boolean {
  if (!when) return true
  const hosts = when.of.flatMap((at) => run.steps[at]?.hosts.filter(({ state }) => state === when.ask) ?? [])
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
  const { ignore, visit } = step.plan
  const isForgiven = ignore || visit?.ignore || step.failuresIgnored
  step.isPassed = bad === 'ignored' || step.failuresIgnored
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
