/** The versions folder, as supervisor and agent share it: docs/operations/agent-upgrade.md says what each file means. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, readIfPresent, syncPath, writeFileAtomic } from '../files.js'

export class Versions {
  readonly folder: string

  constructor(state: string) {
    this.folder = join(state, 'versions')
  }

  /** Where the bundle of this hash (hex) lies. */
  bundle(sha256: string): string {
    return join(this.folder, `${sha256}.cjs`)
  }

  /** Puts a checked bundle there, flushed, under a name that says what is in it. */
  async writeBundle(sha256: string, content: Uint8Array): Promise<void> {
    await makeFolder(this.folder)
    await writeFileAtomic(this.bundle(sha256), content, { durable: true })
  }

  /** From here on the supervisor tries this version at the next end of the agent. */
  async setNext(sha256: string, probationMs: number): Promise<void> {
    const seconds = Math.max(1, Math.min(60, Math.round(probationMs / 1000)))
    await writeFileAtomic(join(this.folder, 'probation'), `${seconds}\n`, { durable: true })
    await writeFileAtomic(join(this.folder, 'next'), `${sha256}\n`, { durable: true })
  }

  /** Tells the supervisor that this version has a session. */
  setGood(sha256: string): Promise<void> {
    return writeFileAtomic(join(this.folder, 'good'), `${sha256}\n`, { durable: true })
  }

  isTrying(sha256: string): Promise<boolean> {
    return this.names('trying', sha256)
  }

  isCurrent(sha256: string): Promise<boolean> {
    return this.names('current', sha256)
  }

  private async names(file: string, sha256: string): Promise<boolean> {
    return (await readIfPresent(join(this.folder, file)))?.trim() === sha256
  }

  /** Why the supervisor went back from this version: `crashed 1`, `no_session 45`, `interrupted`, `missing`. */
  async failureOf(sha256: string): Promise<string | undefined> {
    const [name, ...why] = ((await readIfPresent(join(this.folder, 'failed'))) ?? '').trim().split(' ')
    return name === sha256 ? why.join(' ') : undefined
  }

  /** Flushes the supervisor's renames, and removes the bundles that nothing names. */
  async tidy(): Promise<void> {
    const kept = new Set<string>()
    for (const file of ['current', 'previous', 'next', 'trying']) {
      const name = (await readIfPresent(join(this.folder, file)))?.trim()
      if (name) kept.add(`${name}.cjs`)
    }
    for (const name of await readdir(this.folder)) {
      if (/\.cjs(\.tmp)?$/.test(name) && !kept.has(name)) await rm(join(this.folder, name), { force: true })
    }
    await syncPath(this.folder)
  }
}
