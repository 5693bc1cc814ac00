/** Hosts of a run by name or id; one that was revoked since is still there. */
import type { Drover, HostResult, Step } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'

/** Where in a run hosts are looked for. */
export interface Place {
  executionId: string
  /** Positions of steps, from 0, in the order in which they are looked at. */
  steps: readonly number[]
}

/** All steps that have hosts, or the one that is meant. @param step from 1 */
export function placeIn({ id, steps }: { id: string; steps: readonly Step[] }, step?: number): Place {
  if (step !== undefined) return { executionId: id, steps: [step - 1] }
  return { executionId: id, steps: steps.filter(({ hosts }) => hosts).map(({ position }) => position) }
}

/** @throws UsageError */
export async function findHost(drover: Drover, place: Place, text: string): Promise<HostResult> {
  const { hosts } = await findHosts(drover, place, [text])
  const [host] = hosts
  if (!host) throw new Error(`${text} was found and is not there`)
  return host
}

/**
 * The first step that has all of them. Steps may have hosts of their own.
 * @returns its position, and the hosts as they were asked for
 * @throws UsageError
 */
export async function findHosts(
  drover: Drover,
  { executionId, steps }: Place,
  texts: readonly string[],
): Promise<{ step: number; hosts: HostResult[] }> {
  for (const step of steps) {
    const found = new Map<string, HostResult>()
    for await (const host of drover.executionHosts(executionId, step)) {
      for (const text of texts) if (host.hostName === text || host.hostId === text) found.set(text, host)
      if (found.size === new Set(texts).size) break
    }
    const hosts = texts.flatMap((text) => found.get(text) ?? [])
    if (hosts.length === texts.length) return { step, hosts }
  }
  const run = `r-${executionId}`
  const [only, ...others] = steps
  const where = only !== undefined && !others.length ? `step ${only + 1} of ${run}` : run
  throw new UsageError(
    `${where} has no host ${texts.join(' and ')}; see: drover runs show ${run} --json`,
    exitCodes.notFound,
  )
}
