/** A place for a peer: a temporary folder, free ports and supervised processes; nothing of it is left behind. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { choosePorts } from '../../../stack/embedded/ports'
import type { Child, ChildSpec } from '../../../stack/supervise/child'
import { Supervisor } from '../../../stack/supervise/supervisor'
import { familyOf, killAll } from '../../helpers/family'

export interface Site {
  /** Short, for Unix sockets lie below it. */
  folder: string
  /** What programs of the site are started with: whoever carries it is ended with the site. */
  env: Record<string, string>
  port(name: string): Promise<number>
  start(...specs: Omit<ChildSpec, 'env' | 'stopSignal'>[]): Child[]
  close(): Promise<void>
}

/** @param log deaths and restarts of children */
export async function openSite(log: (line: string) => void): Promise<Site> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dp-'))
  chmodSync(folder, 0o711)
  const ports = await choosePorts()
  const supervisor = new Supervisor({ logs: path.join(folder, 'logs'), temporaryFolder: folder, log })
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: folder,
    LANG: 'C.UTF-8',
    DROVER_STACK: supervisor.marker,
  }
  const pids = () => supervisor.names().flatMap((name) => supervisor.child(name).pid ?? [])
  return {
    folder,
    env,
    port: (name) => ports.of(name),
    // Nothing of a peer is worth a clean end, and a killed group leaves no workers.
    start: (...specs) =>
      supervisor.start(...specs.map((spec) => ({ ...spec, env, stopSignal: 'SIGKILL' as const }))),
    close: async () => {
      // Peers write their titles over their environment, so the supervisor's sweep does not see all of them.
      const family = pids().flatMap(familyOf)
      await supervisor.close()
      killAll(family)
      ports.close()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
