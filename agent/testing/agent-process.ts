/** An agent as a process of its own, from one bundle that is built once a test run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildSync } from 'esbuild'
import { readJson } from '../files.js'
import { findCgroupRoot } from '../process/cgroup.js'
import { Cgroups } from '../process/cgroups.js'
import type { TestGateway } from './test-gateway.js'

let bundle: string | undefined

/** Path of the bundled agent; built once a test file, and put in place by rename because files are tested side by side. */
export function agentBundle(): string {
  if (bundle) return bundle
  const folder = resolve(__dirname, '../../dist/test')
  const { outputFiles } = buildSync({
    entryPoints: [resolve(__dirname, '../main.ts')],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    write: false,
    logLevel: 'error',
  })
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'agent.cjs')
  writeFileSync(`${path}.${process.pid}`, outputFiles[0]?.contents ?? '')
  renameSync(`${path}.${process.pid}`, path)
  bundle = path
  return path
}

export class AgentProcess {
  readonly state: string
  readonly environment: Record<string, string>
  log = ''
  private child: ChildProcess | undefined

  private constructor(state: string, environment: Record<string, string>) {
    this.state = state
    this.environment = environment
  }

  /** An agent for `gateway` with a state folder of its own; not started yet. */
  static async create(gateway: TestGateway, environment: Record<string, string> = {}): Promise<AgentProcess> {
    const state = await mkdtemp(join(tmpdir(), 'drover-agent-'))
    return new AgentProcess(state, {
      PATH: process.env['PATH'] ?? '',
      DROVER_AGENT_STATE: state,
      DROVER_AGENT_GATEWAYS: gateway.address,
      DROVER_AGENT_JOIN_TOKEN: gateway.token,
      DROVER_AGENT_NAME: 'test-host',
      DROVER_AGENT_POLICY_FILE: join(state, 'policy.json'),
      DROVER_AGENT_MIN_FREE_PERCENT: '0',
      ...environment,
    })
  }

  get pid(): number {
    return this.child?.pid ?? 0
  }

  start(): void {
    const child = spawn(process.execPath, [agentBundle()], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (text: Buffer) => {
      this.log = (this.log + text.toString()).slice(-200_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.child = child
  }

  /** Ends it at once, as a crash would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
    child.kill(signal)
    return gone
  }

  /** Waits until it ends by itself. */
  exited(): Promise<number | null> {
    const { child } = this
    if (!child) return Promise.resolve(null)
    if (child.exitCode !== null) return Promise.resolve(child.exitCode)
    return new Promise((done) => child.once('exit', (code) => done(code)))
  }

  /** Ends it and takes away what it leaves on the host for its next life. */
  async remove(): Promise<void> {
    await this.kill()
    const journal = await readJson<{ journalId: string }>(join(this.state, 'spool/journal.json'))
    const root = findCgroupRoot()
    if (journal && root) await new Cgroups(root, journal.journalId).sweep([])
    await rm(this.state, { recursive: true, force: true })
  }
}
