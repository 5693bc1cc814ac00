/** Schemathesis as a test runs it: from its virtual environment, with a seed, for a bounded time. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder, checkout } from '../../stack/embedded/find'

const folder = join(checkout(), 'test/schemathesis')

/** Where the preparation puts it (stack/prepare/python-tools.mjs); undefined if it is not there. */
export function findSchemathesis(): string | undefined {
  const pins = createHash('sha256').update(readFileSync(join(folder, 'requirements.txt')))
  const at = join(cacheFolder(process.env), `schemathesis-${pins.digest('hex').slice(0, 12)}`)
  return existsSync(join(at, '.complete')) ? join(at, 'bin/schemathesis') : undefined
}

export interface SchemathesisRun {
  url: string
  token: string
  seconds: number
  seed: number
  /** Values of path parameters that exist. */
  known: Record<string, string[]>
}

export interface SchemathesisVerdict {
  code: number | null
  /** The report, with its long lines cut. */
  report: string
  /** Operations of the document that were tested, and requests that were made. */
  tested: number
  requests: number
}

// Whatever breaks our grammar of targets is refused though the schema, which knows only text, would take it.
const EXCLUDED = 'positive_data_acceptance'

/** Runs it against the API's own document, and resolves when it has ended. */
export async function runSchemathesis(program: string, run: SchemathesisRun): Promise<SchemathesisVerdict> {
  const work = mkdtempSync(join(tmpdir(), 'drover-schemathesis-'))
  const options = Object.entries({
    header: `Authorization: Bearer ${run.token}`,
    'request-timeout': 10,
    seed: run.seed,
    'max-time': run.seconds,
    'max-examples': 12,
    checks: 'all',
    'exclude-checks': EXCLUDED,
    warnings: 'off',
    'generation-database': 'none',
  }).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(
    program,
    ['run', `${run.url}/api/v1/openapi.json`, '--continue-on-failure', '--no-color', ...options],
    {
      cwd: work,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: work,
        PYTHONPATH: folder,
        PYTHONDONTWRITEBYTECODE: '1',
        SCHEMATHESIS_HOOKS: 'drover_hooks',
        DROVER_KNOWN: JSON.stringify(run.known),
      },
    },
  )
  const pieces: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => pieces.push(piece))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  rmSync(work, { recursive: true, force: true })
  const lines = Buffer.concat(pieces).toString().split('\n')
  const report = lines.map((line) => line.slice(0, 300)).join('\n')
  const count = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? 0)
  return { code, report, tested: count(/Tested: (\d+)/), requests: count(/(\d+) generated/) }
}
