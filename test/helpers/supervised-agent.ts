/** An agent under its supervisor, as a service manager runs it, in a test's hands; and bundles that are good or bad for it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SUPERVISOR } from '../../agent/supervisor/supervisor'
import { agentBundle } from '../../agent/testing/agent-process'

/** Each is put before the agent's own code; with a flag (`--version`) a bad bundle behaves, so that only a trial shows it. */
const faults = {
  none: '',
  crash: 'if (process.argv.length === 2) process.exit(7);',
  hang: 'if (process.argv.length === 2) { setInterval(() => {}, 1000); return }',
  nowhere: `if (process.argv.length === 2) process.env.DROVER_AGENT_GATEWAYS = '127.0.0.1:9';`,
  unloadable: 'this is no program;',
} as const
export type Fault = keyof typeof faults

/** A bundle that calls itself `version`. */
export function makeBundle(version: string, fault: Fault = 'none'): Buffer {
  const text = readFileSync(agentBundle(), 'utf8')
  const renamed = text.replace(/AGENT_VERSION = "[^"]*"/, `AGENT_VERSION = "${version}"`)
  if (renamed === text) throw new Error('the version is not where it was')
  return Buffer.from(`${faults[fault]}\n${renamed}`)
}

/** Whether a process runs; one that ended and that nobody has reaped yet does not. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function killIfAlive(pid: number | undefined, signal: NodeJS.Signals): void {
  if (!pid || !isAlive(pid)) return
  try {
    process.kill(pid, signal)
  } catch {
    // It ended this moment.
  }
}

export class SupervisedAgent {
  readonly name: string
  readonly folder = mkdtempSync(path.join(tmpdir(), 'drover-supervised-'))
  log = ''
  private readonly environment: Record<string, string>
  private child: ChildProcess | undefined

  constructor(options: { name: string; gateway: string; token: string; version?: string }) {
    this.name = options.name
    writeFileSync(path.join(this.folder, 'supervise'), SUPERVISOR)
    writeFileSync(path.join(this.folder, 'agent.cjs'), makeBundle(options.version ?? '1.0.0'))
    this.environment = {
      PATH: process.env['PATH'] ?? '',
      DROVER_AGENT_STATE: this.state,
      DROVER_AGENT_NAME: options.name,
      DROVER_AGENT_GATEWAYS: options.gateway,
      DROVER_AGENT_JOIN_TOKEN: options.token,
      DROVER_AGENT_POLICY_FILE: path.join(this.state, 'policy.json'),
      DROVER_AGENT_MIN_FREE_PERCENT: '0',
    }
  }

  get state(): string {
    return path.join(this.folder, 'state')
  }

  file(name: string): string {
    return path.join(this.state, 'versions', name)
  }

  start(): void {
    const words = [path.join(this.folder, 'supervise'), process.execPath, path.join(this.folder, 'agent.cjs')]
    const child = spawn('/bin/sh', words, { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (text: Buffer) => {
      this.log = (this.log + text.toString()).slice(-200_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.child = child
  }

  get supervisorRuns(): boolean {
    return this.child?.pid !== undefined && isAlive(this.child.pid)
  }

  /** Of the agent that the supervisor started last. */
  get agentPid(): number | undefined {
    const text = existsSync(this.file('agent')) ? readFileSync(this.file('agent'), 'utf8') : ''
    return Number(text.split(':')[0]) || undefined
  }

  killSupervisor(): void {
    killIfAlive(this.child?.pid, 'SIGKILL')
  }

  killAgent(): void {
    killIfAlive(this.agentPid, 'SIGKILL')
  }

  /** As a service manager stops it. */
  async stop(): Promise<number | null> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    return gone
  }

  remove(): void {
    this.killSupervisor()
    this.killAgent()
    // An agent that no supervisor had time to note.
    try {
      killIfAlive(Number(readlinkSync(path.join(this.state, 'lock')).split(':')[0]), 'SIGKILL')
    } catch {
      // It holds no lock.
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
