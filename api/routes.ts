/** Every operation of the API: a new resource is one line here. */
import { agentBundleOperations } from './agent-bundles/index.js'
import { dbAccountOperations } from './db-accounts/index.js'
import { executionOperations } from './executions/index.js'
import { groupOperations } from './groups/index.js'
import { hostOperations } from './hosts/index.js'
import { jobOperations } from './jobs/index.js'
import { joinTokenOperations } from './join-tokens/index.js'
import type { Operation } from './operation.js'
import { outputOperations } from './output/index.js'
import { platformOperations } from './platform/index.js'
import { recoveryOperations } from './recoveries/index.js'
import { scriptOperations } from './scripts/index.js'
import { secretOperations } from './secrets/index.js'
import { searchOperations } from './search/index.js'

export const operations: readonly Operation[] = [
  ...platformOperations,
  ...hostOperations,
  ...agentBundleOperations,
  ...groupOperations,
  ...scriptOperations,
  ...jobOperations,
  ...dbAccountOperations,
  ...secretOperations,
  ...joinTokenOperations,
  ...executionOperations,
  ...recoveryOperations,
  ...outputOperations,
  ...searchOperations,
]
