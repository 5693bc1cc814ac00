/**
 * Former keys: what was sealed for a key may come, or be read again from the journal, when a renewal has replaced it. So it stays
 * in `former/` for longer than any order is good.
 */
import { readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pointId, pointOf } from '../../base/sealed-box.js'
import { makeFolder, readIfPresent, writeFileAtomic } from '../files.js'

const KEPT_MS = 30 * 86_400_000
// Certificates of a test may live for seconds: the newest of their keys are kept.
const KEPT_MOST = 100

/** Keeps the key in a file, if there is one, before another takes its place. */
export async function keepFormer(identityFolder: string, keyFile: string): Promise<void> {
  const keyPem = await readIfPresent(keyFile)
  if (!keyPem) return
  const folder = join(identityFolder, 'former')
  await makeFolder(folder)
  await writeFileAtomic(join(folder, `${pointId(pointOf(keyPem))}.pem`), keyPem, { durable: true })
}

/** Those that may still be needed, newest first; the others are removed. */
export async function readFormer(identityFolder: string, nowMs: number): Promise<string[]> {
  const folder = join(identityFolder, 'former')
  const keys: string[] = []
  for (const { path, changedMs } of listByAge(folder)) {
    const keyPem =
      nowMs - changedMs < KEPT_MS && keys.length < KEPT_MOST ? await readIfPresent(path) : undefined
    if (keyPem === undefined) await rm(path, { force: true })
    else keys.push(keyPem)
  }
  return keys
}

function listByAge(folder: string): { path: string; changedMs: number }[] {
  if (!statSync(folder, { throwIfNoEntry: false })) return []
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => ({ path, changedMs: statSync(path).mtimeMs }))
    .sort((a, b) => b.changedMs - a.changedMs)
}
