/** What the control activities work with. */
import type { Pool } from '../store/postgres/pool.js'
import type { SecretVault } from './secret-vault.js'
import type { Signer } from './signer.js'

export interface ControlDependencies {
  pool: Pool
  signer: Signer
  vault: SecretVault
  /** How long a host that may be running its script is waited for, ms. */
  lostAfterMs: number
  /** Most hosts of one shard. */
  shardMaxHosts: number
  /** Events after which a workflow continues as a new one; left out: when Temporal advises it. */
  historyMaxEvents?: number
}
