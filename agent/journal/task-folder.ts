/** One task's folder in the spool: reading and writing its records, and the claim that decides who starts it. */
import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { lstat, mkdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import {
  hasErrno,
  isMissing,
  makeFile,
  readIfPresent,
  readJson,
  syncPath,
  writeFileAtomic,
} from '../files.js'
import { copierFile, PIPES, RESERVED_BYTES, SECRETS } from '../process/wrapper.js'
import {
  type Acked,
  type Cancel,
  type Capped,
  type ExitRecord,
  type Intent,
  parseExit,
  parseWrapper,
  type Result,
  type Timeout,
  type WrapperRecord,
} from './records.js'
import type { PipeStock } from './pipe-stock.js'

const STREAMS = ['stdout', 'stderr']

/** Where the claims stand: the first slot that is not void, and whether a wrapper has it. */
export interface Claims {
  slot: number
  taken: boolean
}

export class TaskFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /**
   * Makes the folder and everything that must not fail later, then the intent, flushed. On an error (a full disk, say)
   * nothing of it stays.
   */
  async create(intent: Intent, pipes: PipeStock): Promise<void> {
    // A folder without an intent is what a crash or a full disk left half done: nothing was ever acknowledged of it.
    if (!(await this.readIntent()) && !(await this.readResult())) await this.remove()
    mkdirSync(this.path, { mode: 0o700 })
    try {
      const blank = `${' '.repeat(RESERVED_BYTES - 1)}\n`
      for (const name of ['pid', 'group', 'exit', ...STREAMS.map(copierFile)])
        makeFile(join(this.path, name), blank)
      for (const name of STREAMS) makeFile(join(this.path, name), '')
      if (intent.secretsFolder !== undefined) makeFile(join(this.path, SECRETS), `${intent.secretsFolder}\n`)
      pipes.place(join(this.path, PIPES))
      // Under its own name at once: a power cut may leave that without its content, and an intent that cannot be read is none.
      makeFile(join(this.path, 'intent.json'), JSON.stringify(intent))
      await this.flush()
    } catch (error) {
      await this.remove()
      throw error
    }
  }

  /** Lets the account of its script open anew what it writes into. */
  ownPipes({ uid, gid }: { uid: number; gid: number }): void {
    for (const name of STREAMS) {
      const path = join(this.path, PIPES, name)
      // Those that are not there yet are made, and given away, by the wrapper.
      if (existsSync(path)) chownSync(path, uid, gid)
    }
  }

  /** Waits until the disk has what `create` made: a power cut must not take it from whoever goes by it. At once, for the disk takes it in one go. */
  async flush(): Promise<void> {
    await Promise.all([
      syncPath(join(this.path, 'intent.json')),
      syncPath(this.path),
      syncPath(join(this.path, '..')),
    ])
  }

  /** A folder that holds only a verdict: a task that was refused, or cancelled before it came. */
  async createTombstone(result: Result, cancel?: Cancel): Promise<void> {
    await mkdir(this.path, { mode: 0o700, recursive: true })
    try {
      if (cancel) await this.write('cancel.json', cancel, true)
      await this.write('result.json', result, true)
      await syncPath(join(this.path, '..'))
    } catch (error) {
      await this.remove()
      throw error
    }
  }

  readIntent(): Promise<Intent | undefined> {
    return readJson<Intent>(join(this.path, 'intent.json'))
  }

  readResult(): Promise<Result | undefined> {
    return readJson<Result>(join(this.path, 'result.json'))
  }

  writeResult(result: Result): Promise<void> {
    return this.write('result.json', result, true)
  }

  readCancel(): Promise<Cancel | undefined> {
    return readJson<Cancel>(join(this.path, 'cancel.json'))
  }

  writeCancel(cancel: Cancel): Promise<void> {
    return this.write('cancel.json', cancel, true)
  }

  readTimeout(): Promise<Timeout | undefined> {
    return readJson<Timeout>(join(this.path, 'timeout.json'))
  }

  writeTimeout(timeout: Timeout): Promise<void> {
    return this.write('timeout.json', timeout, true)
  }

  async readAcked(): Promise<Acked> {
    return (await readJson<Acked>(join(this.path, 'acked.json'))) ?? { stdout: 0, stderr: 0 }
  }

  writeAcked(acked: Acked): Promise<void> {
    return this.write('acked.json', acked, false)
  }

  readCapped(): Promise<Capped | undefined> {
    return readJson<Capped>(join(this.path, 'capped.json'))
  }

  writeCapped(capped: Capped): Promise<void> {
    return this.write('capped.json', capped, true)
  }

  async readExit(): Promise<ExitRecord | undefined> {
    return parseExit(await readIfPresent(join(this.path, 'exit')))
  }

  async readWrapper(): Promise<WrapperRecord | undefined> {
    return parseWrapper(await readIfPresent(join(this.path, 'pid')))
  }

  async readGroup(): Promise<number | undefined> {
    const text = (await readIfPresent(join(this.path, 'group')))?.trim()
    return text ? Number(text) : undefined
  }

  /** How far the server is done with it: it has the verdict, or all of the output too. */
  async readSettled(): Promise<'no' | 'verdict' | 'complete'> {
    const text = await readIfPresent(join(this.path, 'settled'))
    if (text === undefined) return 'no'
    return text === 'complete' ? 'complete' : 'verdict'
  }

  /** When the server settled it, in ms since the epoch by this host's clock. */
  settledAtMs(): number | undefined {
    return statSync(join(this.path, 'settled'), { throwIfNoEntry: false })?.mtimeMs
  }

  markSettled(how: 'verdict' | 'complete'): Promise<void> {
    return writeFileAtomic(join(this.path, 'settled'), how)
  }

  /** Walks the slots: a folder is a wrapper's claim, a symbolic link says that the agent made the slot void. */
  async readClaims(): Promise<Claims> {
    for (let slot = 1; ; slot++) {
      try {
        const entry = await lstat(join(this.path, claimName(slot)))
        if (entry.isDirectory()) return { slot, taken: true }
      } catch (error) {
        if (isMissing(error)) return { slot, taken: false }
        throw error
      }
    }
  }

  /**
   * Makes a slot void, so that no wrapper can claim it any more.
   * @returns false when a wrapper was first
   */
  async voidClaim(slot: number): Promise<boolean> {
    try {
      // A link and not a folder: it is as atomic, and tells for ever who made it.
      await symlink('void', join(this.path, claimName(slot)))
      return true
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) return (await lstat(join(this.path, claimName(slot)))).isSymbolicLink()
      throw error
    }
  }

  /** Gives back the space of output and working files; order, verdict and claims stay, so that the id starts nothing again. */
  async reduce(): Promise<void> {
    for (const name of [...STREAMS, ...STREAMS.map(copierFile), PIPES, 'pid', 'group', 'exit']) {
      const path = join(this.path, name)
      // An agent that begins asks it of all that an earlier life left, and mostly it is done.
      if (existsSync(path)) await rm(path, { recursive: true, force: true })
    }
  }

  /** By way of another name, so that a crash never leaves a folder that has lost its verdict under the id. */
  async remove(): Promise<void> {
    const away = `${this.path}.removed`
    await rm(away, { recursive: true, force: true })
    try {
      await rename(this.path, away)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    await rm(away, { recursive: true, force: true })
  }

  private write(name: string, record: object, durable: boolean): Promise<void> {
    return writeFileAtomic(join(this.path, name), JSON.stringify(record), { durable })
  }
}

/** Name of the n-th claim: `started`, `started.2`, … */
export function claimName(slot: number): string {
  return slot === 1 ? 'started' : `started.${slot}`
}
