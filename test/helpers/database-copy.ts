/** A copy of the embedded PostgreSQL's data folder, as a snapshot of its disk takes it, and the way back to it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { isRunning } from '../../stack/supervise/proc'
import { pause } from './api'
import { familyOf, killAll } from './family'

const cluster = (platform: Platform) => path.join(platform.data, 'postgres/cluster')

/** Copies the folder while every process of the server is frozen: what a crash at this moment would leave. @returns where */
export function copyDatabase(platform: Platform): string {
  // Beside the original: on one file system, so that putting it back is one rename.
  const folder = mkdtempSync(`${cluster(platform)}-copy-`)
  const pids = serverOf(platform).map((relative) => relative.pid)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    execFileSync('cp', ['-a', cluster(platform), path.join(folder, 'cluster')])
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
  rmSync(path.join(folder, 'cluster/postmaster.pid'), { force: true })
  return folder
}

/** Kills the server, puts a copy in the place of its folder and starts it. */
export async function putBack(platform: Platform, copy: string): Promise<void> {
  const server = platform.child('postgres')
  const family = serverOf(platform)
  const stopped = server.stop()
  killAll(family)
  await stopped
  while (family.some(({ pid, birth }) => isRunning(pid, birth))) await pause(20)
  rmSync(cluster(platform), { recursive: true })
  renameSync(path.join(copy, 'cluster'), cluster(platform))
  server.start()
  await server.waitReady()
  // The store of output lives in the same server here, and remembers which tables it has made.
  const output = platform.child('mongo')
  await output.stop()
  output.start()
  await output.waitReady()
}

const serverOf = (platform: Platform) => familyOf(platform.child('postgres').pid ?? -1)
