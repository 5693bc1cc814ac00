/** The side effects that a workflow may ask for, with what they work with bound in. */
import type { Fleet } from '../domain/fleet.js'
import { createApplyOperation } from './apply-operation.js'
import { createAwaitHosts } from './await-hosts.js'
import { createCancelFromEngine } from './cancel-from-engine.js'
import { createClaimExecution } from './claim-execution.js'
import { createCloseStep } from './close-step.js'
import type { ControlActivities, GatewayActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { createEndExecution } from './end-execution.js'
import { withFailures } from './failure.js'
import { createResolveShards } from './resolve-shards.js'
import { createRunShard } from './run-shard.js'

/** For the control workers. */
export function createControlActivities(deps: ControlDependencies): ControlActivities {
  return withFailures<ControlActivities>({
    claimExecution: createClaimExecution(deps),
    resolveShards: createResolveShards(deps),
    awaitHosts: createAwaitHosts(deps),
    closeStep: createCloseStep(deps),
    endExecution: createEndExecution(deps),
    cancelFromEngine: createCancelFromEngine(deps),
    applyOperation: createApplyOperation(deps),
  })
}

/** For the worker inside a gateway. */
export function createGatewayActivities(fleet: Fleet): GatewayActivities {
  return withFailures<GatewayActivities>({ runShard: createRunShard(fleet) })
}
