/** Starting a wrapper: detached, nothing of the agent's inherited; it lays the output into the task's files itself. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { ScriptCommand } from './command.js'
import { startUnprotected } from './oom-score.js'

export interface WrapperStart {
  wrapper: string
  taskFolder: string
  claim: string
  /** `cgroup.procs` to join, or undefined. */
  cgroupProcs: string | undefined
  setsid: string | undefined
  /** Who may open the script's output anew, when it is another account than the agent's. */
  owner: { uid: number; gid: number } | undefined
  /** How large either output file may grow; undefined for no limit. */
  capBytes: number | undefined
  command: ScriptCommand
  environment: Record<string, string>
}

const BLOCK_BYTES = 512

/** The child has no pipe to the agent, so the agent's death neither blocks nor signals the script. */
export function startWrapper(start: WrapperStart): ChildProcess {
  const { owner, capBytes, command } = start
  // A block more than the cap: that more was written than is kept must be seen from the size.
  const blocks = capBytes === undefined ? '-' : String(Math.floor(capBytes / BLOCK_BYTES) + 1)
  const words = [
    start.wrapper,
    start.taskFolder,
    start.claim,
    start.cgroupProcs ?? '-',
    start.setsid ?? '-',
    owner ? `${owner.uid}:${owner.gid}` : '-',
    blocks,
    command.file ?? '-',
  ]
  const child = startUnprotected(() =>
    spawn('/bin/sh', [...words, ...command.words], {
      detached: true,
      stdio: 'ignore',
      env: start.environment,
      cwd: '/',
    }),
  )
  child.unref()
  return child
}
