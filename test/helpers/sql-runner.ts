/** The SQL runner as its own process, as an agent starts it: the bundle, a file of SQL, and perhaps a file with a password. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const program = join(__dirname, '../../dist/sql-runner.cjs')

export interface RunnerEnd {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunnerProcess {
  pid: number
  /** Resolves once standard error has this. */
  said(text: string): Promise<void>
  end: Promise<RunnerEnd>
}

/** Files and arguments that all runs of one server share. */
export class RunnerLab {
  private readonly folder = mkdtempSync(join(tmpdir(), 'drover-sql-'))
  private readonly base: string[]
  private files = 0

  constructor(base: string[]) {
    this.base = base
  }

  file(text: string): string {
    const file = join(this.folder, `f${this.files++}`)
    writeFileSync(file, text, { mode: 0o400 })
    return file
  }

  start(sql: string, words: string[] = []): RunnerProcess {
    const child = spawn(process.execPath, [program, ...this.base, ...words, this.file(sql)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    })
    const texts = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (piece: string) => {
        texts[name] += piece
      })
    }
    const end = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }))
    return {
      pid: child.pid ?? 0,
      end,
      async said(text) {
        while (!texts.stderr.includes(text)) await Promise.race([once(child.stderr, 'data'), end])
      },
    }
  }

  run(sql: string, words: string[] = []): Promise<RunnerEnd> {
    return this.start(sql, words).end
  }

  /** Runs with standard output thrown away, slowly, and tells the most memory that it had. */
  async peakOf(sql: string, lines: (count: number) => void): Promise<{ end: RunnerEnd; peakKb: number }> {
    const child = spawn(process.execPath, [program, ...this.base, this.file(sql)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    })
    let count = 0
    let peakKb = 0
    let stderr = ''
    child.stdout.on('data', (piece: Buffer) => {
      for (const byte of piece) if (byte === 10) count += 1
      peakKb = Math.max(peakKb, peakOf(child.pid ?? 0))
    })
    child.stderr.on('data', (piece: Buffer) => {
      stderr += piece.toString()
    })
    // A reader that is late: what does not fit into the pipe must wait in the server, not here.
    child.stdout.pause()
    setTimeout(() => child.stdout.resume(), 1_500)
    const [code] = await once(child, 'close')
    lines(count)
    return { end: { code: code as number | null, stdout: '', stderr }, peakKb }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
