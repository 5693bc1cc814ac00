/** Writing small files so that a reader sees the old text or the new one, and a crash leaves one of them. */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a folder and its parents, private to this account. */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  await mkdir(path, { recursive: true, mode })
}

/** Flushes a folder's entries to disk. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
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
  const handle = await open(temporary, 'w', options.mode ?? 0o600)
  try {
    await handle.writeFile(data)
    if (options.durable) await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
  if (options.durable) await syncFolder(dirname(path))
}

/** A file's text, or undefined when there is no such file. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
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
