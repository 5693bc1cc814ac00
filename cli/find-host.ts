/** A host of a step by name or id; one that was revoked since is still there. */
import type { Drover, HostResult, Step } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'

/** Position of a step that tells a run's hosts: each has them all, but those that wait have none. */
export function stepWithHosts(steps: readonly Step[]): number {
  return steps.find((step) => step.hosts)?.position ?? 0
}

/**
 * @param place.step from 0
 * @throws UsageError
 */
export async function findHost(
  drover: Drover,
  place: { executionId: string; step: number },
  text: string,
): Promise<HostResult> {
  for await (const host of drover.executionHosts(place.executionId, place.step))
    if (host.hostName === text || host.hostId === text) return host
  const run = `r-${place.executionId}`
  throw new UsageError(
    `step ${place.step + 1} of ${run} has no host ${text}; see: drover runs show ${run} --json`,
    exitCodes.notFound,
  )
}
