/** Operations on hosts and on targets. */
import type { Operation } from '../operation.js'
import { getHost } from './get-host.js'
import { listHosts } from './list-hosts.js'
import { releaseHost } from './release-host.js'
import { resolveTarget } from './resolve-target.js'
import { revokeHost } from './revoke-host.js'
import { setHostLabels } from './set-host-labels.js'
import { upgradeHosts } from './upgrade-hosts.js'

export const hostOperations: readonly Operation[] = [
  listHosts,
  getHost,
  setHostLabels,
  revokeHost,
  upgradeHosts,
  releaseHost,
  resolveTarget,
]
