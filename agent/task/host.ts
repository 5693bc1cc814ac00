/** What tasks need from the agent around them. */
import type { SecretFolders } from '../capability/secret-files.js'
import type { HostKeys } from '../identity/host-keys.js'
import type { Journal } from '../journal/journal.js'
import type { PolicyState } from '../policy.js'
import type { SwitchTools } from '../process/account.js'
import type { Cgroups } from '../process/cgroups.js'

export interface TaskHost {
  journal: Journal
  hostId: string
  /** What this host is called, in Drover and by its system: output is compared without that. */
  names: readonly string[]
  /** Folder of the scripts' own folders; other accounts can pass through it but not read it. */
  scriptsRoot: string
  secretFolders: SecretFolders
  /** Open what was sealed for this host. */
  keys: HostKeys
  /** Undefined where the host allows none. */
  cgroups: Cgroups | undefined
  tools: SwitchTools
  setsid: string | undefined
  searchPath: string
  /** The agent's own file: the SQL runner is packed behind its code. */
  program: string
  marker: string
  /** What restarts the host, for `sh -c`. */
  rebootCommand: string
  maxTasks: number
  policy(): PolicyState
  /** The server's clock, or this host's while no session has told. */
  serverNowMs(): number
}
