/** The state root: its folders, the place for scripts, and the lock that keeps two agents out of one journal. */
import { randomUUID } from 'node:crypto'
import { chmod, lstat, mkdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasErrno, makeFolder } from './files.js'
import { isRunning, readStat } from './process/proc.js'

/** Makes the folders. Only the root itself can be passed through, for scripts of other accounts lie below it. */
export async function makeStateFolders(state: string): Promise<void> {
  await makeFolder(state, 0o711)
  await chmod(state, 0o711)
  for (const name of ['identity', 'spool', 'transfer', 'proc', 'collect', 'versions']) {
    await makeFolder(join(state, name))
    await chmod(join(state, name), 0o700)
  }
}

/**
 * The folder under which each script gets its own: below the state root when other accounts can get there, else below
 * /var/tmp under a name of this journal's, which must then be ours and nobody else's to write.
 */
export async function makeScriptsRoot(state: string, journalId: string): Promise<string> {
  const inside = join(state, 'scripts')
  const root =
    process.getuid?.() !== 0 || (await canPass(state)) ? inside : `/var/tmp/drover-scripts-${journalId}`
  await mkdir(root, { mode: 0o711 }).catch((error: unknown) => {
    if (!hasErrno(error, 'EEXIST')) throw error
  })
  const entry = await lstat(root)
  if (!entry.isDirectory() || entry.uid !== process.getuid?.()) {
    throw new Error(`${root} belongs to somebody else; remove it`)
  }
  await chmod(root, 0o711)
  return root
}

async function canPass(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

/**
 * Takes the state root for this process; a link whose text names the holder is made in one step, and a holder that is
 * dead loses it. Rejects while another agent runs with it.
 */
export async function lockState(state: string, bootId: string): Promise<() => Promise<void>> {
  const lock = join(state, 'lock')
  const own = `${process.pid}:${readStat(process.pid)?.startTicks ?? 0}:${bootId}`
  for (;;) {
    try {
      await symlink(own, lock)
      return () => rm(lock, { force: true })
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
    const holder = await readlink(lock).catch(() => '')
    const [pid, startTicks, boot] = holder.split(':')
    if (boot === bootId && isRunning(Number(pid), Number(startTicks))) {
      throw new Error(
        `another agent (pid ${pid}) runs with the state folder ${state}; give this one a folder of its own`,
      )
    }
    // Moved away before it is removed: of two that see a dead holder, one moves it and the other finds nothing.
    const away = `${lock}.${randomUUID()}`
    await rename(lock, away).catch(() => undefined)
    await rm(away, { force: true })
  }
}
