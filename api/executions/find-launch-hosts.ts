/** The hosts of a launch: the run's target and those that steps have of their own, resolved once. */
import { PlatformError } from '../../domain/errors.js'
import { type FrozenTargets, freezeTargets, type TargetHost } from '../../domain/frozen-targets.js'
import type { ScopeId } from '../../domain/id.js'
import { checkSize } from '../../domain/launch.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { importFault, listKey, namesText } from '../../domain/step/import.js'
import { hostStepOf, importsOf, isGoneThrough } from '../../domain/step/step.js'
import { fillTarget } from '../../domain/step/step-target.js'
import { variablesIn } from '../../domain/variable-source.js'
import type { Db } from '../../store/postgres/pool.js'
import { findTargetHosts } from '../hosts/targets.js'

/**
 * @param launch.target the run's, for steps that have none of their own
 * @throws PlatformError target_required, target_empty, and as findTargetHosts
 */
export async function findLaunchHosts(
  db: Db,
  scopeId: ScopeId,
  { plan, target }: { plan: CompiledPlan; target: string | undefined },
): Promise<FrozenTargets> {
  const { steps } = plan
  const own = steps.map((step) => hostStepOf(step)?.target)
  const waitsOnly = !steps.some(isGoneThrough)
  const without = steps.findIndex((step, position) => isGoneThrough(step) && own[position] === undefined)
  const isNeeded = waitsOnly || without >= 0
  checkNeed(isNeeded, target, waitsOnly ? 'the run' : whereOf(plan, without))
  const run = target === undefined ? [] : await findTargetHosts(db, scopeId, target)
  if (isNeeded) checkSize(run.length)
  const found = new Map<string, TargetHost[]>()
  const lists: (readonly TargetHost[])[] = []
  for (const [position, step] of steps.entries()) {
    const text = own[position]
    if (text === undefined || hostStepOf(step)?.takes) {
      lists.push(text === undefined && isGoneThrough(step) ? run : [])
      continue
    }
    const filled = fillTarget(text, variablesIn(plan, step.within))
    const hosts = found.get(filled) ?? (await findStepHosts(db, scopeId, filled, whereOf(plan, position)))
    found.set(filled, hosts)
    lists.push(hosts)
  }
  return { ...freezeTargets(run, lists), lists: await findLists(db, scopeId, plan) }
}

/** Of host lists that scripts import. @throws PlatformError plan_invalid, and as findTargetHosts */
async function findLists(db: Db, scopeId: ScopeId, plan: CompiledPlan): Promise<FrozenTargets['lists']> {
  const lists: Record<string, readonly string[]> = {}
  for (const step of plan.steps)
    for (const { name, take } of importsOf(step)) {
      const key = listKey(name, step.within)
      if (take || Object.hasOwn(lists, key)) continue
      const target = fillTarget(`\${${name}}`, variablesIn(plan, step.within))
      const hosts = target.trim() ? await findTargetHosts(db, scopeId, target) : []
      const names = hosts.map((host) => host.name)
      const fault = importFault(name, namesText(names))
      if (fault) throw new PlatformError('plan_invalid', fault)
      lists[key] = names
    }
  return lists
}

const whereOf = ({ steps }: CompiledPlan, position: number) =>
  `step ${position + 1} "${steps[position]?.name}"`

/** Neither is guessed: where something runs, nor what a target was meant for that nothing goes to. */
function checkNeed(isNeeded: boolean, target: string | undefined, who: string): void {
  if (isNeeded && target === undefined)
    throw new PlatformError('target_required', `${who} has no target of its own: say where it runs with -t`)
  if (isNeeded || target === undefined) return
  throw new PlatformError(
    'target_invalid',
    'every step of the plan has a target of its own: leave the one of the run out, for nothing would run there',
  )
}

/** Not one step is left without hosts unseen. */
async function findStepHosts(db: Db, scopeId: ScopeId, target: string, where: string): Promise<TargetHost[]> {
  try {
    // A host list that holds nothing is well formed.
    const hosts = target.trim() ? await findTargetHosts(db, scopeId, target) : []
    if (hosts.length) return hosts
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error
    throw new PlatformError(error.code, `${where}: ${error.message}`, { cause: error })
  }
  throw new PlatformError('target_empty', `${where}: its target matches no host`)
}
