/** A process's family: itself, all that it has started, and that which those have started. */
import { readdirSync } from 'node:fs'
import { isRunning, statOf } from '../../stack/supervise/proc'

export interface Relative {
  pid: number
  birth: string
}

/** The process itself is the first. */
export function familyOf(root: number): Relative[] {
  const children = new Map<number, Relative[]>()
  let first: Relative | undefined
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined
    if (!stat) continue
    if (pid === root) first = { pid, birth: stat.birth }
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), { pid, birth: stat.birth }])
  }
  const family = first ? [first] : []
  for (let at = 0; at < family.length; at++) family.push(...(children.get(family[at]?.pid ?? -1) ?? []))
  return family
}

/** By SIGKILL; those that have ended, and others that got their pids, are let be. */
export function killAll(family: readonly Relative[]): void {
  for (const { pid, birth } of family) {
    if (!isRunning(pid, birth)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Ended meanwhile.
    }
  }
}
