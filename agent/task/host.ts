/** What tasks need from the agent around them. */
import type { Journal } from '../journal/journal.js'
import type { PolicyState } from '../policy.js'
import type { SwitchTools } from '../process/account.js'
import type { CgroupRoot } from '../process/cgroup.js'

export interface TaskHost {
  journal: Journal
  hostId: string
  /** Folder of the scripts' own folders; other accounts can pass through it but not read it. */
  scriptsRoot: string
  cgroupRoot: CgroupRoot | undefined
  tools: SwitchTools
  setsid: string | undefined
  searchPath: string
  marker: string
  maxTasks: number
  policy(): PolicyState
  /** The server's clock, or this host's while no session has told. */
  serverNowMs(): number
}
