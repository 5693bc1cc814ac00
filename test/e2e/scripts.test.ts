/** What scripts get and give over the whole way, API to host and back: texts, arguments, accounts, output, refusals. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { type HostResultView, TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'

const asRoot = process.getuid?.() === 0
const rootOnly = asRoot ? it : it.skip

/** Whether a process runs; one that ended and that nobody has reaped yet does not. */
function isAlive(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ''
  return stat !== '' && !/\) [ZX] /.test(stat)
}

describe('scripts', () => {
  let platform: Platform
  let api: TestApi

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 2 })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(() => platform?.close(), 60_000)

  async function run(
    step: Record<string, unknown>,
  ): Promise<HostResultView & { id: string; stdout: Buffer; stderr: Buffer }> {
    const id = await api.launch({
      target: 'name:rack-a-1',
      plan: { name: 'scripts', steps: [{ name: 'only', language: 'sh', ...step }] },
    })
    await api.ended(id, 120_000)
    const host = (await api.hosts(id))[0]!
    const [stdout, stderr] =
      host.started === 'no' ? [Buffer.alloc(0), Buffer.alloc(0)] : await outputs(id, host)
    return { ...host, id, stdout, stderr }
  }

  /** Output never holds up a verdict: its last bytes may arrive after it. */
  async function outputs(id: string, host: HostResultView): Promise<[Buffer, Buffer]> {
    const want = host.stdoutBytes ?? 0
    for (const until = Date.now() + 60_000; ; ) {
      const stdout = await api.output(id, host.hostId)
      if (stdout.length >= want || Date.now() > until)
        return [stdout, await api.output(id, host.hostId, 'stderr')]
    }
  }

  it.each([
    ['bash', 'set -o pipefail; echo "bash $1"'],
    ['sh', 'echo "sh $1"'],
    ['python', 'import sys; print("python", sys.argv[1])'],
    ['perl', 'print "perl $ARGV[0]\\n"'],
    ['node', 'console.log("node", process.argv[2])'],
  ])('run in %s, with their arguments as they are', async (language, script) => {
    const result = await run({ language, script, arguments: ['a b "$(id)"; \'x\''] })
    expect(result).toMatchObject({ state: 'succeeded', exitCode: 0 })
    expect(result.stdout.toString()).toBe(`${language} a b "$(id)"; 'x'\n`)
  })

  it('of more than 64 KiB are fetched by the agent', async () => {
    const filler = `# ${'x'.repeat(98)}\n`.repeat(4_000)
    const result = await run({ script: `${filler}echo done` })
    expect(result).toMatchObject({ state: 'succeeded', detail: null })
    expect(result.stdout.toString()).toBe('done\n')
  })

  it('say when they began, also where that is told with the end', async () => {
    const short = await run({ script: 'sleep 0.03' })
    const { startedAt, endedAt, durationMs } = short as unknown as Record<string, string>
    const took = Date.parse(endedAt!) - Date.parse(startedAt!)
    expect(Number(durationMs)).toBeGreaterThanOrEqual(20)
    expect(took).toBeGreaterThanOrEqual(20)
    expect(took).toBeLessThan(5_000)
    const never = await run({ script: 'true', account: 'nobody-of-this-name' })
    expect(never).toMatchObject({ state: 'rejected', started: 'no', startedAt: null })
  })

  it('get their environment, their directory and no standard input', async () => {
    const result = await run({
      script: 'pwd; printf "%s|" "$GREETING"; cat; env | grep -c ^DROVER_GATEWAY',
      environment: { GREETING: 'häl\nlo $x' },
      workingDirectory: '/',
    })
    expect(result.stdout.toString()).toBe('/\nhäl\nlo $x|0\n')
  })

  it('keep their bytes: nothing is decoded, changed or dropped', async () => {
    const result = await run({
      language: 'python',
      script:
        'import sys\nsys.stdout.buffer.write(bytes(range(256)) * 1000)\nsys.stderr.buffer.write(b"\\xff\\xfe\\x00")',
    })
    expect(result.stdout).toEqual(Buffer.from(Array.from({ length: 256_000 }, (_, i) => i % 256)))
    expect(result.stderr).toEqual(Buffer.from([0xff, 0xfe, 0]))
  })

  it('keep 50 MB of output whole', async () => {
    const line = 'the quick brown fox jumps over the lazy dog, again and again and again\n'
    const count = Math.ceil(50_000_000 / line.length)
    const result = await run({ language: 'perl', script: `print "${line.trim()}\\n" x ${count}` })
    expect(result.stdoutBytes).toBe(line.length * count)
    const want = createHash('sha256').update(line.repeat(count)).digest('hex')
    expect(createHash('sha256').update(result.stdout).digest('hex')).toBe(want)
  })

  it('end with their exit code, and with the signal that ended them', async () => {
    expect(await run({ script: 'exit 7' })).toMatchObject({ state: 'failed', exitCode: 7, started: 'yes' })
    expect(await run({ script: 'kill -TERM $$' })).toMatchObject({ state: 'failed' })
  })

  it('end at their time limit, with all that they started', async () => {
    const result = await run({
      script: 'sleep 300 & echo $!; setsid sleep 300 & wait',
      timeoutMs: 1_000,
      graceMs: 200,
    })
    expect(result).toMatchObject({ state: 'timed_out', started: 'yes' })
    expect(isAlive(Number(result.stdout.toString().trim()))).toBe(false)
  })

  rootOnly('run as another account, with its groups', async () => {
    const result = await run({
      script: 'id -un; id -gn; echo $HOME; touch /root/x 2>/dev/null || echo not root',
      account: 'nobody',
    })
    expect(result.stdout.toString()).toMatch(/^nobody\nnogroup\n.*\nnot root\n$/)
  })

  it.each([
    ['account_unknown', { account: 'nobody-has-this-name' }],
    ['working_directory_missing', { workingDirectory: '/no/such/directory' }],
    ['interpreter_missing', { language: 'powershell' }],
  ])('are refused with %s, and never start', async (reason, more) => {
    const result = await run({ script: 'echo never', ...more })
    expect(result).toMatchObject({ state: 'rejected', started: 'no', reason })
    expect(result.detail).toEqual(expect.any(String))
  })

  it('are refused while the stop file of the host is there', async () => {
    const file = path.join(platform.agentState('rack-a-1'), 'stop')
    writeFileSync(file, '')
    expect(await run({ script: 'true' })).toMatchObject({
      state: 'rejected',
      started: 'no',
      reason: 'stopped_by_file',
    })
    rmSync(file)
    expect(await run({ script: 'true' })).toMatchObject({ state: 'succeeded' })
  })

  it('are refused once the time of their run is over', async () => {
    const id = await api.launch({
      target: '*',
      expiresInMs: 60_000,
      plan: {
        name: 'expires',
        steps: [{ name: 'one by one', language: 'sh', script: 'sleep 1', concurrency: 1 }],
      },
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    const { Client } = await import('pg')
    const pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
    await pg.query(`update execution set expires_at = now() where id = $1`, [id])
    await pg.end()
    const view = await api.ended(id)
    expect(view.steps[0]!.counts).toEqual({ succeeded: 1, rejected: 1 })
    expect((await api.hosts(id)).find((host) => host.state === 'rejected')).toMatchObject({
      started: 'no',
      reason: 'execution_expired',
    })
  })
})
