/** What the program says of itself: one line on a terminal, and a file that other programs read. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Counts, Simulator } from './simulator.js'

const EVERY_MS = 500

/** `<state>/status.json`, replaced twice a second. */
export interface Status extends Counts {
  pid: number
  startLog: string
  at: string
}

export function lineOf(counts: Counts): string {
  const { hosts, joined, sessions, running, done, starts, twice } = counts
  const joining = joined < hosts ? `joined ${joined}/${hosts} · ` : ''
  const fault = twice ? ` · TWICE ${twice}` : ''
  return `${joining}sessions ${sessions}/${hosts} · running ${running} · done ${done} · starts ${starts}${fault}`
}

/** Writes file and line until the returned function is called. */
export function report(state: string, simulator: Simulator): () => void {
  let shown = ''
  const tell = () => {
    const counts = simulator.counts()
    writeStatus(state, {
      pid: process.pid,
      startLog: simulator.startLog,
      at: new Date().toISOString(),
      ...counts,
    })
    const line = lineOf(counts)
    if (line === shown) return
    shown = line
    // Without a terminal each change is a line of its own: it goes to a log.
    process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${line}` : `${line}\n`)
  }
  tell()
  const timer = setInterval(tell, EVERY_MS)
  return () => {
    clearInterval(timer)
    tell()
    if (process.stdout.isTTY) process.stdout.write('\n')
  }
}

// A full disk must not end the fleet; the file then grows stale, which is the truth.
function writeStatus(state: string, status: Status): void {
  const file = join(state, 'status.json')
  try {
    writeFileSync(`${file}.tmp`, JSON.stringify(status))
    renameSync(`${file}.tmp`, file)
  } catch {
    return
  }
}
