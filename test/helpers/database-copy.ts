/** A copy of the embedded PostgreSQL's data folder, as a snapshot of its disk takes it, and the way back to it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { pause } from './api'

const cluster = (platform: Platform) => path.join(platform.data, 'postgres/cluster')

/** Copies the folder while every process of the server is frozen: what a crash at this moment would leave. @returns where */
export function copyDatabase(platform: Platform): string {
  // Beside the original: on one file system, so that putting it back is one rename.
  const folder = mkdtempSync(`${cluster(platform)}-copy-`)
  const pids = serverProcesses(platform)
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
  const pids = serverProcesses(platform)
  const stopped = server.stop()
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await stopped
  while (pids.some((pid) => existsSync(`/proc/${pid}`))) await pause(20)
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

/** The server and its children, the server first. */
function serverProcesses(platform: Platform): number[] {
  const server = platform.child('postgres').pid ?? 0
  const children = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === server)
  return [server, ...children]
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return -1
  }
}
