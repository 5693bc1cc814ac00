/**
 * Files of secrets: each value in a file of its own that only the task's account can read, in a file system that is in memory
 * where the host has one. They are there from before the start until the end of the task.
 */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { makeFile } from '../files.js'
import type { Account } from '../process/account.js'

// linux/magic.h
const TMPFS = 0x01021994
const RAMFS = 0x858458f6

const FILE_MODE = 0o400

/** The variable that tells a script where the file of a secret is. */
export const secretVariable = (name: string) => `${name}_FILE`

/** Where tasks' folders of secrets are made. */
export class SecretFolders {
  private readonly base: string
  private readonly prefix: string
  private root: string | undefined

  /** @param fallback a folder that others can pass through, where no file system is in memory */
  constructor(journalId: string, fallback: string) {
    // Not below /run of other accounts: that of a user goes when the user logs out.
    const bases = process.getuid?.() === 0 ? ['/run', '/dev/shm'] : ['/dev/shm']
    this.base = bases.find(isInMemory) ?? fallback
    this.prefix = `drover-secrets-${journalId}-`
  }

  /** The path of a folder for one task, which is yet to be made. */
  next(): string {
    return join(this.openRoot(), randomBytes(16).toString('hex'))
  }

  /** Removes what no task needs: what a crash left. Only at start. */
  sweep(needed: ReadonlySet<string>): void {
    for (const name of readdirSync(this.base).filter((entry) => entry.startsWith(this.prefix))) {
      const root = join(this.base, name)
      // Anybody may make a folder there.
      const entry = lstatSync(root, { throwIfNoEntry: false })
      if (!entry?.isDirectory() || entry.uid !== process.getuid?.()) continue
      for (const task of readdirSync(root).map((each) => join(root, each)))
        if (!needed.has(task)) rmSync(task, { recursive: true, force: true })
      removeIfEmpty(root)
    }
  }

  /** Of this life of the agent, under a name that nobody can foresee and take first. Others can pass through it, not list it. */
  private openRoot(): string {
    if (this.root === undefined || !lstatSync(this.root, { throwIfNoEntry: false })) {
      this.root = mkdtempSync(join(this.base, this.prefix))
      chmodSync(this.root, 0o711)
    }
    return this.root
  }
}

function isInMemory(path: string): boolean {
  try {
    const { type } = statfsSync(path)
    return type === TMPFS || type === RAMFS
  } catch {
    return false
  }
}

/**
 * The folder stays the agent's: whoever could put things there could lead a removal by root astray.
 * @param account who is to read them, if it is another than the agent's own
 */
export function writeSecrets(
  folder: string,
  values: ReadonlyMap<string, Uint8Array>,
  account: Account | undefined,
): void {
  mkdirSync(folder, { mode: 0o700 })
  const paths = [...values].map(([name, value]) => {
    const path = join(folder, name)
    makeFile(path, value, FILE_MODE)
    return path
  })
  if (!account) return
  for (const path of paths) chownSync(path, account.uid, account.gid)
  chmodSync(folder, 0o711)
}

/** With the root, if that was the last one. */
export function removeSecrets(folder: string | undefined): void {
  if (folder === undefined) return
  rmSync(folder, { recursive: true, force: true })
  removeIfEmpty(dirname(folder))
}

function removeIfEmpty(root: string): void {
  try {
    rmdirSync(root)
  } catch {}
}
