/** Operations on bundles of the agent: what hosts may be upgraded to. */
import type { Operation } from '../operation.js'
import { createAgentBundle } from './create-agent-bundle.js'
import { listAgentBundles } from './list-agent-bundles.js'

export const agentBundleOperations: readonly Operation[] = [listAgentBundles, createAgentBundle]
