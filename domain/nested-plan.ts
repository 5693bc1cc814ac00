/**
 * Plans that are steps of others: how they are named, and what of one is kept in the compiled plan of a run. Its steps are
 * steps of the run; each visit of a plan has names of its own, so that nothing leaks in or out.
 */
import type { Outcome } from './condition.js'
import type { HostCounts, HostState } from './host-result.js'
import type { FrozenSecret } from './secret.js'
import { type OnFailure, STEP_ENDED, type StepState } from './step-execution.js'

/** A plan in a plan is 1; deeper ones are refused. */
export const NESTING_MAX_DEPTH = 5

/** Of a run, with those of nested plans. */
export const RUN_MAX_STEPS = 200

/** One visit of a nested plan. */
export interface NestedPlan {
  /** Of the step that brings it, below those that bring the plans around it: `prepare/drain`. */
  name: string
  /** As the step says it. */
  plan: string
  /** The visit that it is a part of; left out: the run itself. */
  within?: number
  /** Positions of its steps: from the first up to, and without, `end`. */
  first: number
  end: number
  onFailure: OnFailure
  when?: string
  stepTimeoutMs?: number
  /** Its variables, each with the one around it that it begins as. */
  follows?: Record<string, string>
  /** Its variables, each with the one around it that gets what it ends as. */
  handsBack?: Record<string, string>
  /** Its secret variables that have a value, by their names: all its own script steps have them among theirs. */
  secrets?: Record<string, FrozenSecret>
}

/** Of a compiled plan, what says how plans are nested in it. */
export interface Nesting {
  steps: readonly {
    name: string
    within?: number
    when?: string | undefined
    onFailure?: OnFailure
    undoes?: number | undefined
  }[]
  nested?: readonly NestedPlan[]
}

/** A step's own name, without those of the plans that it is in. */
export function localName(plan: Nesting, { name, within }: { name: string; within?: number }): string {
  const around = within === undefined ? undefined : plan.nested?.[within]
  return around ? name.slice(around.name.length + 1) : name
}

/** What a step is a part of: the name of the step that brings a plan, and that plan. */
export function visitOf(plan: Nesting, within: number | undefined): { step: string; plan: string } | null {
  const [visit] = around(plan, within)
  return visit ? { step: visit.name, plan: visit.plan } : null
}

/** The visits that a step is in, the innermost first. */
export function around({ nested = [] }: Pick<Nesting, 'nested'>, within: number | undefined): NestedPlan[] {
  const visit = within === undefined ? undefined : nested[within]
  return visit ? [visit, ...around({ nested }, visit.within)] : []
}

/** Those that say something of how a run goes through a step. What takes it back is asked for by an operator, who ended all of them. */
function visitsOf(plan: Nesting, position: number): NestedPlan[] {
  const { within, undoes } = plan.steps[position] ?? {}
  return undoes === undefined ? around(plan, within) : []
}

/** A condition and where it is asked: which names it knows, and what has been when its turn comes. */
export interface PlacedCondition {
  text: string
  within: number | undefined
  before: number
}

/** What must be met before a step begins: its own condition, and before it those of the plans that it is in. */
export function conditionsOf(plan: Nesting, position: number): PlacedCondition[] {
  const step = plan.steps[position]
  if (!step) return []
  const outer = visitsOf(plan, position).map(({ when, within, first }) => ({
    text: when,
    within,
    before: first,
  }))
  const own = { text: step.when, within: step.within, before: position }
  return [own, ...outer]
    .reverse()
    .flatMap(({ text, ...place }) => (text === undefined ? [] : [{ text, ...place }]))
}

/** What failed hosts make of a step: what it says itself, or a plan that it is in. */
export function onFailureOf(plan: Nesting, position: number): OnFailure {
  return leftOnFailure(plan, position) ? 'ignore' : ownOnFailure(plan, position)
}

const ownOnFailure = ({ steps }: Nesting, position: number): OnFailure => steps[position]?.onFailure ?? 'stop'

/** The visit that is left where a step fails: the innermost that ignores failures, unless the step itself does. */
export function leftOnFailure(plan: Nesting, position: number): NestedPlan | undefined {
  if (ownOnFailure(plan, position) === 'ignore') return undefined
  return visitsOf(plan, position).find(({ onFailure }) => onFailure === 'ignore')
}

/** Of steps that are ignored because an operator said so: the plan that they are in goes on. */
const byOperator = ['failure_ignored', STEP_ENDED]

/** Whether a nested plan that ignores failures was left at a step before this one of its steps. */
export function isLeft(
  plan: Nesting,
  position: number,
  ran: readonly { state: StepState; reason: string | null }[],
): boolean {
  return ran.slice(0, position).some(({ state, reason }, at) => {
    if (state !== 'ignored' || (reason !== null && byOperator.includes(reason))) return false
    const visit = leftOnFailure(plan, at)
    return visit !== undefined && position < visit.end
  })
}

/** Whether a step may be left out when its turn comes, by a condition or because the plan that it is in was left. */
export const isConditional = (plan: Nesting, position: number): boolean =>
  conditionsOf(plan, position).length > 0 ||
  visitsOf(plan, position).some(({ onFailure }) => onFailure === 'ignore')

type Ran = Pick<Outcome, 'state' | 'hosts' | 'counts'>

/** What a condition may ask about: the steps before a position that have the same names around them, nested plans as one each. */
export function outcomesBefore(
  plan: Nesting,
  ran: readonly Ran[],
  { within, before }: Pick<PlacedCondition, 'within' | 'before'>,
): Outcome[] {
  const outcomes: (Outcome & { at: number })[] = []
  for (const [at, step] of plan.steps.slice(0, before).entries()) {
    const { state, hosts, counts } = ran[at] ?? {}
    if (step.within !== within || state === undefined || hosts === undefined) continue
    outcomes.push({ at, name: localName(plan, step), state, hosts, counts: counts ?? {} })
  }
  for (const visit of plan.nested ?? []) {
    if (visit.within !== within || visit.end > before) continue
    outcomes.push({
      at: visit.first,
      name: localName(plan, visit),
      ...sumOf(ran.slice(visit.first, visit.end)),
    })
  }
  return outcomes.sort((a, b) => a.at - b.at).map(({ at: _at, ...outcome }) => outcome)
}

/** A plan's outcome: the worst of its steps', with their hosts added up. */
function sumOf(steps: readonly Ran[]): Ran {
  const counts: HostCounts = {}
  for (const step of steps)
    for (const [state, count] of Object.entries(step.counts) as [HostState, number][])
      counts[state] = (counts[state] ?? 0) + count
  const states = new Set(steps.map(({ state }) => state))
  const state = worstFirst.find((one) => states.has(one)) ?? 'succeeded'
  return { state, counts, hosts: steps.reduce((sum, { hosts }) => sum + hosts, 0) }
}

// One that ran makes the plan one that ran: only where all were skipped it was.
const worstFirst: readonly StepState[] = ['failed', 'cancelled', 'ignored', 'succeeded', 'skipped']
