/**
 * Small files, written so that a reader sees the old text or the new one, and a crash leaves one of them. They lie in the page
 * cache, where a call takes some microseconds; handing it to the thread pool takes ten times that, and a task has a hundred of
 * them. Only flushing waits for a disk, and is left to the pool.
 */
import {
  closeSync,
  fdatasync,
  fsync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const flush = promisify(fsync)
const flushData = promisify(fdatasync)

/** Makes a folder and its parents, private to this account. */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  await mkdir(path, { recursive: true, mode })
}

/** Flushes a file's content, or a folder's entries, to disk. */
export async function syncPath(path: string): Promise<void> {
  const entry = openSync(path, 'r')
  try {
    await flush(entry)
  } finally {
    closeSync(entry)
  }
}

/** Makes a file that must not be there yet, nor a link of its name. @param mode for its owner alone unless told */
export function makeFile(path: string, content: string | Uint8Array, mode = 0o600): void {
  writeFileSync(path, content, { flag: 'wx', mode })
}

/**
 * Writes over the begin of a file in place, which needs no free block, and resolves when the disk has it.
 * @returns false if there is no such file
 */
export async function overwriteDurably(path: string, content: string): Promise<boolean> {
  if (!statSync(path, { throwIfNoEntry: false })) return false
  const file = openSync(path, 'r+')
  try {
    writeSync(file, content, 0)
    await flushData(file)
  } finally {
    closeSync(file)
  }
  return true
}

/**
 * Replaces `path` by way of a temporary name.
 * @param options.durable also waits until the disk has it (a few ms); leave it out for hints that may be lost
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { durable?: boolean; mode?: number } = {},
): Promise<void> {
  const temporary = `${path}.tmp`
  const file = openSync(temporary, 'w', options.mode ?? 0o600)
  try {
    writeFileSync(file, data)
    if (options.durable) await flush(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  if (options.durable) await syncPath(dirname(path))
}

/** A file's text, or undefined when there is no such file. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    // Most looks find nothing, and an exception takes longer than the look.
    if (!statSync(path, { throwIfNoEntry: false })) return undefined
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The JSON in a file; undefined when it is missing or was torn by a power cut. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readIfPresent(path)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch {
    return undefined
  }
}

export function isMissing(error: unknown): boolean {
  return hasErrno(error, 'ENOENT', 'ENOTDIR')
}

export function hasErrno(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}
