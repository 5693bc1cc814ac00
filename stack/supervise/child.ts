/** One supervised process: started in a group of its own, logged to a file, restarted with backoff when it dies. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import type { Watchdog } from './watchdog.js'

/** How to run a child. Its environment is exactly `env` and the stack's marker. */
export interface ChildSpec {
  /** Also the name of its log folder, as `gateway-1`. */
  name: string
  command: string
  args: string[]
  env: Record<string, string | undefined>
  cwd?: string
  uid?: number
  gid?: number
  /** Ends it cleanly; SIGTERM unless told. */
  stopSignal?: NodeJS.Signals
  /** Time between `stopSignal` and SIGKILL. */
  graceMs?: number
  /** Resolves to true when it serves; a rejection counts as not yet. */
  isReady?: () => Promise<boolean>
  /** Awaited between a death and the restart: takes what an earlier life left out of its way. */
  clearAway?: () => Promise<void>
}

/** `failed`: it died five times within a minute and stays down. */
type ChildState = 'running' | 'restarting' | 'stopped' | 'failed'

const maxDeaths = 5
const deathWindowMs = 60_000
// A log is moved aside at a start, for the file is the child's own and cannot be cut under it.
const maxLogBytes = 32 * 2 ** 20

export class ChildError extends Error {
  override name = 'ChildError'
}

export class Child {
  readonly name: string
  private readonly spec: ChildSpec
  private readonly context: { watchdog: Watchdog; marker: string; logs: string; log: (line: string) => void }
  private process: ChildProcess | undefined
  private current: ChildState = 'stopped'
  private deaths: number[] = []
  private retry: NodeJS.Timeout | undefined

  constructor(spec: ChildSpec, context: Child['context']) {
    this.name = spec.name
    this.spec = spec
    this.context = context
  }

  get state(): ChildState {
    return this.current
  }

  /** Of the running process; it changes with every restart. */
  get pid(): number | undefined {
    return this.process?.pid
  }

  get logFile(): string {
    return join(this.context.logs, this.name, 'current.log')
  }

  /** Starts it; no effect while it runs. */
  start(): void {
    if (this.current === 'running' || this.current === 'restarting') return
    this.deaths = []
    this.launch()
  }

  /** Resolves when it serves. Throws ChildError with the end of its log if it stays down or takes longer than `timeoutMs`. */
  async waitReady(timeoutMs = 60_000): Promise<void> {
    const until = Date.now() + timeoutMs
    for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.3, 250)) {
      if (this.current === 'failed') throw new ChildError(this.explain('does not stay up'))
      if (this.current === 'stopped') throw new ChildError(`${this.name} was stopped before it was ready`)
      if (this.current === 'running' && (await this.probe())) return
      if (Date.now() > until) throw new ChildError(this.explain(`was not ready after ${timeoutMs / 1000} s`))
      await delay(waitMs)
    }
  }

  /** Sends a signal to the process alone, not to what it started; a death that follows is answered by a restart. @returns whether there was one */
  kill(signal: NodeJS.Signals): boolean {
    return this.process?.kill(signal) ?? false
  }

  /** Ends the process and keeps it down until `start`. What it started in groups of its own lives on. */
  async stop(): Promise<void> {
    this.current = 'stopped'
    clearTimeout(this.retry)
    const running = this.process
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()))
    running.kill(this.spec.stopSignal ?? 'SIGTERM')
    const force = setTimeout(() => running.kill('SIGKILL'), this.spec.graceMs ?? 5_000)
    await ended
    clearTimeout(force)
  }

  /** The last lines of its log. */
  tail(lines = 20): string {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return '(no log)'
    }
  }

  private launch(): void {
    const { spec, context } = this
    const output = this.openLog()
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ['ignore', output, output],
      cwd: spec.cwd ?? '/',
      env: { ...spec.env, DROVER_STACK: context.marker },
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    })
    closeSync(output)
    this.process = child
    this.current = 'running'
    const group = child.pid
    if (group !== undefined) context.watchdog.add(group, spec.stopSignal ?? 'SIGTERM')
    child.once('error', (error) => this.onDeath(`cannot run ${spec.command}: ${error.message}`))
    child.once('exit', (code, signal) => {
      if (group !== undefined) context.watchdog.remove(group)
      this.onDeath(signal ? `ended by ${signal}` : `ended with exit code ${code}`)
    })
  }

  private openLog(): number {
    mkdirSync(join(this.context.logs, this.name), { recursive: true })
    const size = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0
    if (size > maxLogBytes) renameSync(this.logFile, join(this.context.logs, this.name, 'previous.log'))
    return openSync(this.logFile, 'a', 0o640)
  }

  private onDeath(what: string): void {
    if (this.current === 'stopped') return
    const now = Date.now()
    this.deaths = [...this.deaths.filter((at) => now - at < deathWindowMs), now]
    if (this.deaths.length >= maxDeaths) {
      this.current = 'failed'
      this.context.log(this.explain(`${what}, the fifth time within a minute: it stays down`))
      return
    }
    this.current = 'restarting'
    const waitMs = 200 * 2 ** (this.deaths.length - 1)
    this.context.log(`${this.name} ${what}; starting it again in ${waitMs} ms`)
    this.retry = setTimeout(() => void this.restart(), waitMs)
  }

  private async restart(): Promise<void> {
    await this.spec.clearAway?.()
    // Stopped meanwhile, or started by hand.
    if (this.current === 'restarting') this.launch()
  }

  private async probe(): Promise<boolean> {
    try {
      return this.spec.isReady ? await this.spec.isReady() : true
    } catch {
      return false
    }
  }

  private explain(what: string): string {
    const tail = this.tail()
    return `${this.name} ${what}.${hint(tail)} The end of ${this.logFile}:\n${tail.replace(/^/gm, '  | ')}`
  }
}

/** What a person should look at first, if the log says so plainly. */
function hint(log: string): string {
  if (/no space left on device|ENOSPC/i.test(log)) return ' The disk is full.'
  if (/address already in use|EADDRINUSE/i.test(log)) return ' Its port is taken by another process.'
  if (/permission denied|EACCES/i.test(log)) return ' It may not read or write a file.'
  return ''
}
