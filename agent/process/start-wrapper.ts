/** Starting a wrapper: detached, nothing of the agent's inherited, output straight into the task's files. */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, closeSync, constants } from 'node:fs'
import { join } from 'node:path'

export interface WrapperStart {
  wrapper: string
  taskFolder: string
  claim: string
  /** `cgroup.procs` to join, or undefined. */
  cgroupProcs: string | undefined
  setsid: string | undefined
  command: string[]
  environment: Record<string, string>
}

/** The child has no pipe to the agent, so the agent's death neither blocks nor signals the script. */
export function startWrapper(start: WrapperStart): ChildProcess {
  const append = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW
  const stdout = openSync(join(start.taskFolder, 'stdout'), append)
  const stderr = openSync(join(start.taskFolder, 'stderr'), append)
  try {
    const words = [
      start.wrapper,
      start.taskFolder,
      start.claim,
      start.cgroupProcs ?? '-',
      start.setsid ?? '-',
    ]
    const child = spawn('/bin/sh', [...words, ...start.command], {
      detached: true,
      stdio: ['ignore', stdout, stderr],
      env: start.environment,
      cwd: '/',
    })
    child.unref()
    return child
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}
