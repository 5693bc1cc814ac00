/** One real agent as a process in a test's hands: killed, frozen, cloned, rebooted. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'

/** Of what `npm run build` makes. */
const built = path.join(__dirname, '../../dist')

export interface RealAgentOptions {
  name: string
  /** `host:port`, several with commas. */
  gateways: string
  /** The stack's marker, so that what is left is swept with it. */
  marker?: string
  token?: string
  /** Below dist/; what a host gets if left out. */
  program?: string
  env?: Record<string, string>
}

export class RealAgent {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'drover-real-'))
  readonly options: RealAgentOptions
  private child: ChildProcess | undefined
  log = ''

  constructor(options: RealAgentOptions) {
    this.options = options
    mkdirSync(this.state, { mode: 0o700 })
    this.reboot()
  }

  get state(): string {
    return path.join(this.folder, 'state')
  }

  private get bootIdFile(): string {
    return path.join(this.folder, 'boot-id')
  }

  start(): void {
    const { name, gateways, marker, token, program = 'agent.cjs', env } = this.options
    const child = spawn(process.execPath, [path.join(built, program)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        DROVER_AGENT_STATE: this.state,
        DROVER_AGENT_NAME: name,
        DROVER_AGENT_GATEWAYS: gateways,
        DROVER_AGENT_POLICY_FILE: path.join(this.state, 'policy.json'),
        DROVER_AGENT_BOOT_ID_FILE: this.bootIdFile,
        DROVER_AGENT_MIN_FREE_PERCENT: '0',
        ...(marker ? { DROVER_AGENT_MARKER: marker } : {}),
        ...(token ? { DROVER_AGENT_JOIN_TOKEN: token } : {}),
        ...env,
      },
    })
    const keep = (text: Buffer) => {
      this.log = (this.log + text.toString()).slice(-100_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.child = child
  }

  /** Ends the agent at once; its scripts live on. */
  async kill(): Promise<void> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await gone
  }

  /** A new boot id, as after a restart of the host; nothing that ran before it is left. */
  reboot(): void {
    this.killScripts()
    writeFileSync(this.bootIdFile, `${randomUUID()}\n`)
  }

  /** Folder of a task in the journal. */
  task(dispatch: Buffer): string {
    return path.join(this.state, 'spool/tasks', dispatch.toString('hex'))
  }

  /** Ends every script and its wrapper, as a power cut does: nothing is recorded. */
  killScripts(): void {
    const tasks = path.join(this.state, 'spool/tasks')
    for (const task of existsSync(tasks) ? readdirSync(tasks) : []) {
      for (const [file, isGroup] of [
        ['pid', false],
        ['group', true],
      ] as const) {
        const text = path.join(tasks, task, file)
        const pid = Number(existsSync(text) ? readFileSync(text, 'utf8').trim().split(' ')[0] : 0)
        // Of tasks that are long over the number may be somebody else's by now.
        if (pid > 1 && !existsSync(path.join(tasks, task, 'result.json'))) killQuietly(isGroup ? -pid : pid)
      }
    }
  }

  /**
   * Another agent with this one's identity, as an image of the machine would make.
   * @param keepSpool its journal, too; else it makes one of its own
   */
  clone(change: { gateways?: string; keepSpool?: boolean } = {}): RealAgent {
    const gateways = change.gateways ?? this.options.gateways
    const clone = new RealAgent({ ...this.options, gateways })
    for (const folder of ['identity', ...(change.keepSpool ? ['spool'] : [])])
      cpSync(path.join(this.state, folder), path.join(clone.state, folder), { recursive: true })
    return clone
  }

  /** The disk is new: nothing is left of identity and spool. */
  wipe(): void {
    rmSync(this.state, { recursive: true, force: true })
    mkdirSync(this.state, { mode: 0o700 })
  }

  get journalId(): string {
    const file = path.join(this.state, 'spool/journal.json')
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { journalId: string }).journalId : ''
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
