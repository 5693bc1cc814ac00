/** The children of one stack: started by name, stopped in reverse order, and none left behind however the stack ends. */
import { randomBytes } from 'node:crypto'
import { rmdir } from 'node:fs/promises'
import { delay } from '../../base/backoff.js'
import { Child, type ChildSpec } from './child.js'
import { pidsWithEnvironment, taskCgroupsOf } from './proc.js'
import { startWatchdog, type Watchdog } from './watchdog.js'

export interface SupervisorOptions {
  /** Folder of the children's logs. */
  logs: string
  /** What a person should see: deaths and restarts. */
  log?: (line: string) => void
  /** Removed when the stack was killed. */
  temporaryFolder?: string
}

export class Supervisor {
  /** Value of DROVER_STACK in every child, and in all that children start. */
  readonly marker = randomBytes(12).toString('hex')
  private readonly children = new Map<string, Child>()
  /** Names in the order of their start; those of one inner list stop side by side. */
  private readonly tiers: string[][] = []
  private readonly watchdog: Watchdog
  private readonly options: SupervisorOptions

  constructor(options: SupervisorOptions) {
    this.options = options
    this.watchdog = startWatchdog(`DROVER_STACK=${this.marker}`)
    if (options.temporaryFolder) this.watchdog.removeAtEnd(options.temporaryFolder)
  }

  /** Starts children that do not depend on each other; a later call makes a tier that stops earlier. */
  start(...specs: ChildSpec[]): Child[] {
    this.tiers.push(specs.map((spec) => spec.name))
    return specs.map((spec) => {
      if (this.children.has(spec.name)) throw new Error(`there is a child named ${spec.name} already`)
      const { watchdog, marker } = this
      const child = new Child(spec, {
        watchdog,
        marker,
        logs: this.options.logs,
        log: (line) => this.options.log?.(line),
      })
      this.children.set(spec.name, child)
      child.start()
      return child
    })
  }

  /** Throws if there is no such child. */
  child(name: string): Child {
    const child = this.children.get(name)
    if (!child) throw new Error(`no child ${name}; there are ${[...this.children.keys()].join(', ')}`)
    return child
  }

  names(): string[] {
    return [...this.children.keys()]
  }

  /** Stops all, the last started first, then whatever they left running. */
  async close(): Promise<void> {
    const cgroups = taskCgroupsOf(pidsWithEnvironment(`DROVER_STACK=${this.marker}`))
    for (const tier of this.tiers.toReversed()) {
      await Promise.all(tier.map((name) => this.child(name).stop()))
    }
    await this.sweep()
    // One that is not empty or not there any more is not ours to remove.
    await Promise.allSettled(cgroups.map((folder) => rmdir(folder)))
    this.watchdog.dismiss()
  }

  /** Kills what carries the marker: scripts of agents, grandchildren in sessions of their own. */
  private async sweep(): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      const pids = pidsWithEnvironment(`DROVER_STACK=${this.marker}`)
      if (pids.length === 0) return
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // Ended meanwhile.
        }
      }
      await delay(50)
    }
  }
}
