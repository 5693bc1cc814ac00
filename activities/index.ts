/** The side effects that a workflow may ask for, with what they work with bound in. */
import type { Fleet } from '../domain/fleet.js'
import { createAdvance } from './advance.js'
import { createAwaitHosts } from './await-hosts.js'
import { createClaimExecution } from './claim-execution.js'
import type { ControlActivities, GatewayActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { withFailures } from './failure.js'
import { createRunShard } from './run-shard.js'

/** For the control workers. */
export function createControlActivities(deps: ControlDependencies): ControlActivities {
  return withFailures<ControlActivities>({
    claimExecution: createClaimExecution(deps),
    advance: createAdvance(deps),
    awaitHosts: createAwaitHosts(deps),
  })
}

/** For the worker inside a gateway. */
export function createGatewayActivities(fleet: Fleet): GatewayActivities {
  return withFailures<GatewayActivities>({ runShard: createRunShard(fleet) })
}
