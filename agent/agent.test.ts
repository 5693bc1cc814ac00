/** The agent against a gateway of the tests: what scripts get, what comes back, and what is refused. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DispatchOrder, Started, TaskState } from '../proto/index.js'
import { processesOfTask, taskMarker } from './process/proc.js'
import { AgentProcess } from './testing/agent-process.js'
import { changeOrder, makeDispatch } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

let gateway: TestGateway
let agent: AgentProcess

beforeAll(async () => {
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway)
  agent.start()
  await gateway.sessionUp()
})

afterAll(async () => {
  await agent.remove()
  await gateway.stop()
})

const asRoot = process.getuid?.() === 0 ? it : it.skip
const sql = {
  engine: 'postgresql',
  host: '127.0.0.1',
  port: 5432,
  database: '',
  user: 'ann',
  sslMode: 'prefer',
  caFile: '',
  format: 'tsv',
  onError: 'stop',
  transaction: false,
}
const allBytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))

describe('a script', () => {
  it.each([
    ['sh', 'echo "from $0 $1" >/dev/null; echo out; echo err >&2; exit 3'],
    ['bash', 'shopt -q extglob; [[ a == a ]] && echo out; echo err >&2; exit 3'],
    ['python', 'import sys\nprint("out")\nprint("err", file=sys.stderr)\nsys.exit(3)'],
    ['perl', 'print "out\\n"; print STDERR "err\\n"; exit 3'],
    ['node', 'console.log("out"); console.error("err"); process.exitCode = 3'],
  ])('in %s gives its output, its errors and its exit code', async (language, text) => {
    const { update, stdout, stderr } = await gateway.run({ language, text })
    expect([update.state, update.exitCode, update.started]).toEqual([
      TaskState.TASK_STATE_EXITED,
      3,
      Started.STARTED_YES,
    ])
    expect([stdout.toString(), stderr.toString()]).toEqual(['out\n', 'err\n'])
    expect(update.stdout?.sha256.toString('hex')).toBe(createHash('sha256').update('out\n').digest('hex'))
    expect(update.stdout?.truncated).toBe(false)
  })

  it('gets every byte of its arguments and variables as it was given', async () => {
    const argument = Buffer.concat([allBytes, Buffer.from("'\n''\\"), allBytes])
    const { stdout } = await gateway.run({
      language: 'perl',
      text: 'binmode STDOUT; print scalar(@ARGV), "|", $ARGV[0], "|", $ARGV[1], "|", $ENV{BYTES}',
      arguments: [argument, Buffer.alloc(0)],
      environment: { BYTES: argument, LANG: Buffer.from('C.UTF-8') },
    })
    expect(stdout.equals(Buffer.concat([Buffer.from('2|'), argument, Buffer.from('||'), argument]))).toBe(
      true,
    )
  })

  it('keeps output that is no text', async () => {
    const { stdout } = await gateway.run({ text: "printf '\\377\\000\\303x'" })
    expect([...stdout]).toEqual([0xff, 0, 0xc3, 0x78])
  })

  it('starts from a clean environment with the names of its task', async () => {
    const { id, stdout } = await gateway.run({
      text: 'env | cut -d= -f1 | sort; umask; pwd; echo "$DROVER_TASK $DROVER_HOST"',
    })
    const lines = stdout.toString().trim().split('\n')
    expect(lines.at(-1)).toBe(`${id} 42`)
    expect(lines.slice(-3, -1)).toEqual(['0022', '/'])
    expect(lines.filter((line) => line.startsWith('DROVER_AGENT') || line === 'JEST_WORKER_ID')).toEqual([])
    expect(lines).toEqual(
      expect.arrayContaining(['HOME', 'LOGNAME', 'PATH', 'SHELL', 'USER', 'DROVER_JOURNAL']),
    )
  })

  it('has no input, no descriptor of the agent, and signals as they are by default', async () => {
    const { stdout } = await gateway.run({
      text: 'wc -c; ls -l /proc/self/fd | grep -c socket; grep -E "SigIgn|SigBlk" /proc/self/status',
    })
    const [input, sockets, ...masks] = stdout.toString().trim().split('\n')
    expect([input, sockets]).toEqual(['0', '0'])
    expect(masks.map((line) => line.split('\t')[1])).toEqual(['0000000000000000', '0000000000000000'])
  })

  it('that dies of a signal is told with the signal', async () => {
    const { update } = await gateway.run({ text: 'kill -KILL $$' })
    expect([update.state, update.exitCode, update.signal]).toEqual([
      TaskState.TASK_STATE_EXITED,
      137,
      'SIGKILL',
    ])
  })

  it('is over when it exits, though a daemon that it left holds its output open', async () => {
    const { id, update, stdout } = await gateway.run({ text: 'echo before; (sleep 60; echo late) & echo $!' })
    const [before, pid] = stdout.toString().trim().split('\n')
    expect([update.state, before]).toEqual([TaskState.TASK_STATE_EXITED, 'before'])
    expect(processesOfTask(taskMarker(gateway.journalId, id))).toContain(Number(pid))
    process.kill(Number(pid), 'SIGKILL')
  })

  const reopening = `i=0; while [ $i -lt 50 ]; do echo "out $i"; echo "to $i" > /dev/stdout; echo "err $i" >&2; echo "again $i" > /dev/stderr; i=$((i+1)); done`
  const both = (first: string, second: string) =>
    Array.from({ length: 50 }, (_, n) => `${first} ${n}\n${second} ${n}\n`).join('')

  it('that opens /dev/stdout and /dev/stderr anew loses nothing, in order', async () => {
    const { stdout, stderr, update } = await gateway.run({ text: reopening })
    expect([stdout.toString(), stderr.toString()]).toEqual([both('out', 'to'), both('err', 'again')])
    expect([update.exitCode, update.stdout?.truncated, update.stderr?.truncated]).toEqual([0, false, false])
  })

  asRoot('of another account may do so too', async () => {
    const { stdout, stderr, update } = await gateway.run({ text: reopening, account: 'nobody' })
    expect([stdout.toString(), stderr.toString()]).toEqual([both('out', 'to'), both('err', 'again')])
    expect(update.exitCode).toBe(0)
  })

  it('that is larger than a dispatch may carry is fetched by its hash', async () => {
    const text = `${'# padding\n'.repeat(20_000)}echo large`
    const { stdout } = await gateway.run({ text })
    expect(stdout.toString()).toBe('large\n')
  })

  it('may be told for how long it ran', async () => {
    const { update } = await gateway.run({ text: 'sleep 0.3' })
    expect(Number(update.durationMs)).toBeGreaterThanOrEqual(290)
    expect(Number(update.durationMs)).toBeLessThan(1_500)
  })

  it('leaves neither its text nor its variables on the host', async () => {
    await gateway.run({ text: 'echo tidy', environment: { TOKEN: Buffer.from('hush-hush') } })
    const held = execFileSync('sh', ['-c', `ls -A ${agent.state}/scripts | grep -vx tools | wc -l`])
      .toString()
      .trim()
    expect(held).toBe('0')
  })

  asRoot('runs as another account with its groups, its home and the right to its own output', async () => {
    const { stdout, stderr, update } = await gateway.run({
      text: 'id -un; id -Gn; echo "$HOME $USER"; pwd; echo more >> /dev/stderr; touch /root/x 2>/dev/null || echo kept out',
      account: 'www-data',
      workingDirectory: '',
    })
    expect(stdout.toString().split('\n').slice(0, 3)).toEqual([
      'www-data',
      execFileSync('id', ['-Gn', 'www-data']).toString().trim(),
      '/var/www www-data',
    ])
    expect(stdout.toString()).toContain('kept out')
    expect([stderr.toString(), update.exitCode]).toEqual(['more\n', 0])
  })

  asRoot('reads the profile of its account when it is asked to', async () => {
    const { stdout } = await gateway.run({
      text: 'echo "login: $0"; echo "$V"',
      login: true,
      environment: { V: Buffer.from('mine') },
    })
    expect(stdout.toString()).toContain('mine\n')
  })
})

describe('output', () => {
  it('of 50 MB comes whole while the memory of the agent stays flat', async () => {
    const before = residentMb(agent.pid)
    let peak = before
    const timer = setInterval(() => {
      peak = Math.max(peak, residentMb(agent.pid))
    }, 20)
    const { update, stdout } = await gateway.run({ text: 'head -c 52428800 /dev/urandom' })
    clearInterval(timer)
    expect(stdout.length).toBe(52_428_800)
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(update.stdout?.sha256.toString('hex'))
    expect(peak - before).toBeLessThan(60)
    expect(gateway.gaps).toEqual([])
  })

  it('beyond the cap is cut with a mark while the script lives on', async () => {
    const { id, update, stdout } = await gateway.run({
      text: 'head -c 9000000 /dev/zero; echo error >&2; sleep 0.2; head -c 9000000 /dev/zero; echo $? > /dev/null; exit 5',
      outputCapBytes: 1_000_000n,
    })
    expect([update.exitCode, stdout.length, update.stdout?.truncated]).toEqual([5, 1_000_000, true])
    const kept = readFileSync(join(agent.state, 'spool/tasks', id, 'stdout'))
    expect(kept.length).toBe(1_000_000)
  })

  it('is sent while the script still runs', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo early; sleep 30' })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0, 3_000)
    gateway.cancel(dispatch)
    await gateway.final(dispatch.id)
  })
})

describe('an order is refused, and nothing starts,', () => {
  const proof = join(tmpdir(), `drover-refused-${process.pid}`)
  const text = `touch ${proof}`
  afterEach(() => expect(existsSync(proof)).toBe(false))

  async function refusal(dispatch: ReturnType<typeof makeDispatch>): Promise<string> {
    gateway.dispatch(dispatch)
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.started]).toEqual([TaskState.TASK_STATE_REJECTED, Started.STARTED_NO])
    expect(update.detail.length).toBeGreaterThan(20)
    return update.reason
  }

  it('when its signature is not of a known key', async () => {
    const good = makeDispatch(gateway, { text })
    expect(await refusal({ ...good, keyId: 'nobody' })).toBe('order_signature_invalid')
    const changed = makeDispatch(gateway, { text })
    const order = changeOrder(changed.order, { executionId: 1n })
    expect(await refusal({ ...changed, order })).toBe('order_signature_invalid')
  })

  it.each([
    ['order_expired', { expiresAtMs: BigInt(Date.now() - 1_000) }],
    ['order_wrong_host', { hostId: 43n }],
    ['order_wrong_journal', { journalId: 'another' }],
    ['order_spec_mismatch', { specSha256: Buffer.alloc(32) }],
  ])('%s', async (code, change: Partial<DispatchOrder>) => {
    expect(await refusal(makeDispatch(gateway, { text }, change))).toBe(code)
  })

  it.each([
    ['account_unknown', { account: 'no-such-account' }],
    ['working_directory_missing', { workingDirectory: '/no/such/place' }],
    ['working_directory_missing', { workingDirectory: 'relative' }],
    ['capability_missing', { language: 'cobol' }],
    ['sql_runner_missing', { language: 'sql', sql }],
    ['task_invalid', { language: 'sql' }],
    ['task_invalid', { language: 'sh', sql }],
    ['task_invalid', { language: 'sql', sql, environment: { A: Buffer.from('b') } }],
    ['task_invalid', { language: 'sql', sql: { ...sql, user: 'a\0b' } }],
    ['interpreter_missing', { language: 'bat' }],
    ['task_invalid', { arguments: [Buffer.from('a\0b')] }],
    ['task_invalid', { environment: { X: Buffer.from('a\0b') } }],
    ['task_invalid', { environment: { LD_PRELOAD: Buffer.from('x') } }],
    ['task_invalid', { environment: { DROVER_TASK: Buffer.from('x') } }],
    ['task_invalid', { environment: { 'A=B; touch /tmp/x': Buffer.from('x') } }],
    ['task_invalid', { environment: { BASH_FUNC_x: Buffer.from('x') } }],
  ])('%s: %p', async (code, task) => {
    expect(await refusal(makeDispatch(gateway, { text, ...task }))).toBe(code)
  })

  it('when the text is not the signed one, or cannot be had', async () => {
    const dispatch = makeDispatch(gateway, { text })
    expect(await refusal({ ...dispatch, content: Buffer.from('rm -rf /nowhere') })).toBe('script_unavailable')
    const absent = makeDispatch(gateway, { text: `${text}\n${'#'.repeat(70_000)}` })
    gateway.blobs.clear()
    expect(await refusal(absent)).toBe('script_unavailable')
  })

  it('while the stop file is there, and the heartbeat says so', async () => {
    writeFileSync(join(agent.state, 'stop'), '')
    try {
      expect(await refusal(makeDispatch(gateway, { text }))).toBe('stopped_by_file')
      await gateway.until('heartbeat', () => gateway.conditions.includes('stopped_by_file'))
    } finally {
      rmSync(join(agent.state, 'stop'))
    }
  })

  it('when the policy of the host forbids it, or cannot be trusted', async () => {
    const policy = join(agent.state, 'policy.json')
    try {
      writeFileSync(policy, JSON.stringify({ languages: ['python'] }))
      expect(await refusal(makeDispatch(gateway, { text }))).toBe('policy_refused')
      writeFileSync(policy, JSON.stringify({ capabilities: ['script'] }))
      expect(await refusal(makeDispatch(gateway, { text, language: 'sql', sql }))).toBe('policy_refused')
      writeFileSync(policy, JSON.stringify({ pathPrefixes: ['/srv'] }))
      expect(await refusal(makeDispatch(gateway, { text, workingDirectory: '/tmp' }))).toBe('policy_refused')
      writeFileSync(policy, JSON.stringify({ languages: ['sh'] }))
      chmodSync(policy, 0o666)
      expect(await refusal(makeDispatch(gateway, { text }))).toBe('policy_unreadable')
    } finally {
      rmSync(policy)
    }
  })

  it('and a repeat of it gets the same answer', async () => {
    const dispatch = makeDispatch(gateway, { text, account: 'no-such-account' })
    await refusal(dispatch)
    const count = gateway.updates.length
    gateway.dispatch(dispatch)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)?.reason).toBe('account_unknown')
  })
})

describe('a repeated dispatch', () => {
  it('gets the recorded state and starts nothing', async () => {
    const proof = join(agent.state, 'repeat-proof')
    const dispatch = makeDispatch(gateway, { text: `echo x >> ${proof}` })
    gateway.dispatch(dispatch)
    gateway.dispatch(dispatch)
    await gateway.final(dispatch.id)
    const count = gateway.updates.length
    gateway.dispatch(dispatch)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 0 })
    expect(readFileSync(proof, 'utf8')).toBe('x\n')
  })
})

describe('another order under a known id', () => {
  const proof = () => join(agent.state, 'conflict-proof')

  async function conflict(first: ReturnType<typeof makeDispatch>, change: Partial<DispatchOrder>) {
    const id = first.id
    const other = makeDispatch(
      gateway,
      { text: `touch ${proof()}`, ...(change.specSha256 ? {} : { timeoutMs: 1n }) },
      { ...DispatchOrder.decode(first.order), ...change },
    )
    expect(other.id).toBe(id)
    const count = gateway.updates.length
    gateway.dispatch(other)
    await gateway.until('update', () => gateway.updates.length > count)
    return gateway.updates.at(-1)
  }

  it.each<[string, Partial<DispatchOrder>]>([
    ['scope', { scopeId: 77n }],
    ['execution', { executionId: 77_000n }],
    ['step', { stepExecutionId: 77_000n }],
    ['attempt', { attempt: 7 }],
    ['spec', { specSha256: Buffer.alloc(32, 7) }],
  ])(
    'that differs in its %s is refused, and the task that is recorded stays as it is',
    async (_what, change) => {
      const first = makeDispatch(gateway, { text: 'exit 3' })
      gateway.dispatch(first)
      await gateway.final(first.id)
      const order = { ...DispatchOrder.decode(first.order), ...change }
      expect(await conflict(first, change)).toMatchObject({
        state: TaskState.TASK_STATE_REJECTED,
        reason: 'dispatch_id_conflict',
        started: Started.STARTED_NO,
        exitCode: undefined,
        executionId: order.executionId,
        stepExecutionId: order.stepExecutionId,
        attempt: order.attempt,
      })
      expect(existsSync(proof())).toBe(false)
      const count = gateway.updates.length
      gateway.dispatch(first)
      await gateway.until('update', () => gateway.updates.length > count)
      expect(gateway.updates.at(-1)).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 3 })
    },
  )

  it('is refused while the recorded one runs, which goes on', async () => {
    const first = makeDispatch(gateway, { text: 'echo ready; sleep 0.3; exit 4' })
    gateway.dispatch(first)
    await gateway.until('chunk', () => gateway.received(first.id, 1) > 0)
    expect(await conflict(first, { executionId: 88_000n })).toMatchObject({
      reason: 'dispatch_id_conflict',
      executionId: 88_000n,
    })
    await gateway.update(first.id, (update) => update.exitCode === 4)
  })

  it('is refused when the recorded one was refused or cancelled before it came', async () => {
    const refused = makeDispatch(gateway, { text: 'true', account: 'no-such-account' })
    gateway.dispatch(refused)
    await gateway.final(refused.id)
    expect(await conflict(refused, { specSha256: Buffer.alloc(32, 7) })).toMatchObject({
      reason: 'dispatch_id_conflict',
    })
    const cancelled = makeDispatch(gateway, { text: 'true' })
    gateway.cancel(cancelled)
    await gateway.final(cancelled.id)
    const count = gateway.updates.length
    gateway.dispatch(cancelled)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)?.state).toBe(TaskState.TASK_STATE_CANCELLED)
    expect(await conflict(cancelled, { executionId: 99_000n })).toMatchObject({
      reason: 'dispatch_id_conflict',
      executionId: 99_000n,
    })
  })

  it('is none when the same task is only signed anew', async () => {
    const first = makeDispatch(gateway, { text: 'exit 3' })
    gateway.dispatch(first)
    await gateway.final(first.id)
    const { specSha256 } = DispatchOrder.decode(first.order)
    const later = { issuedAtMs: BigInt(Date.now() + 60_000), expiresAtMs: BigInt(Date.now() + 7_200_000) }
    expect(await conflict(first, { specSha256, ...later })).toMatchObject({
      state: TaskState.TASK_STATE_EXITED,
      exitCode: 3,
    })
  })
})

describe('a host whose clock is wrong', () => {
  it('judges expiry by the clock of the server', async () => {
    const ahead = await TestGateway.start({ clockOffsetMs: 600_000 })
    const other = await AgentProcess.create(ahead)
    try {
      other.start()
      await ahead.sessionUp()
      const late = makeDispatch(ahead, { text: 'true' }, { expiresAtMs: BigInt(Date.now() + 300_000) })
      ahead.dispatch(late)
      expect((await ahead.final(late.id)).reason).toBe('order_expired')
      expect((await ahead.run({ text: 'exit 0' })).update.exitCode).toBe(0)
    } finally {
      await other.remove()
      await ahead.stop()
    }
  })
})

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
