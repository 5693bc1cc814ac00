/** Secrets on the host: they reach the script as they are and nobody else, leave nothing behind, and are not seen in what is sent. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { delay } from '../base/backoff.js'
import { Started, TaskState, type TaskUpdate } from '../proto/index.js'
import { generateKey } from './identity/csr.js'
import { AgentProcess } from './testing/agent-process.js'
import { changeOrder, makeDispatch, type ScriptInput } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

const asRoot = process.getuid?.() === 0 ? it : it.skip

let gateway: TestGateway
let agent: AgentProcess
let folder: string
let token: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-effects-'))
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway)
  agent.start()
  await gateway.sessionUp()
  token = `canary-${randomBytes(12).toString('hex')}`
})

afterEach(async () => {
  await agent.remove()
  await gateway.stop()
  await rm(folder, { recursive: true, force: true })
})

const withSecrets = (
  text: string,
  values: Record<string, string | Buffer>,
  more: Partial<ScriptInput> = {},
) => makeDispatch(gateway, { text, secrets: { values, keys: gateway.certificates }, ...more })

async function ended(dispatch: { id: string }): Promise<TaskUpdate> {
  const update = await gateway.final(dispatch.id)
  await gateway.outputOf(dispatch.id, update)
  return update
}

function* filesBelow(at: string): Generator<string> {
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const path = join(at, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

/** Files of the agent's state that hold a text, as it is or in base64. */
function holders(text: string): string[] {
  const forms = [text, ...[0, 1, 2].map((n) => base64At(text, n))]
  return [...filesBelow(agent.state)].filter((path) => {
    const content = readFileSync(path, 'latin1')
    return forms.some((form) => content.includes(form))
  })
}

const base64At = (text: string, shift: number) =>
  Buffer.concat([Buffer.alloc(shift), Buffer.from(text)])
    .toString('base64')
    .slice(shift ? 4 : 0, -4)

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !holds(); await delay(10))
    if (Date.now() > end) throw new Error(`it did not come to it: ${agent.log.slice(-2_000)}`)
}

/** Where the file of a secret is, as a script has written it. */
const pathIn = (name: string) => readFileSync(join(folder, name), 'utf8').trim()

describe('a script with secrets', () => {
  it('finds each in a file of its own, byte for byte, for its account alone and gone at its end', async () => {
    const key = `-----BEGIN KEY-----\n${randomBytes(30_000).toString('base64')}\n-----END KEY-----\n`
    const text = `cat "$TOKEN_FILE" > ${folder}/token; cat "$KEY_FILE" > ${folder}/key; echo "$TOKEN_FILE" > ${folder}/path
      stat -c '%a %u' "$TOKEN_FILE" "$KEY_FILE" "\${KEY_FILE%/*}"; echo "[\${TOKEN-}]"`
    const dispatch = withSecrets(text, { TOKEN: token, KEY: key })
    gateway.dispatch(dispatch)
    const update = await ended(dispatch)
    expect([update.state, update.exitCode, update.reason]).toEqual([TaskState.TASK_STATE_EXITED, 0, ''])
    const uid = process.getuid?.()
    expect(gateway.text(dispatch.id, 1).toString()).toBe(`400 ${uid}\n400 ${uid}\n700 ${uid}\n[]\n`)
    expect(readFileSync(join(folder, 'token'), 'utf8')).toBe(token)
    expect(readFileSync(join(folder, 'key'), 'utf8')).toBe(key)
    expect(existsSync(pathIn('path'))).toBe(false)
    // With the folder of all, when there is nothing in it.
    expect(existsSync(dirname(dirname(pathIn('path'))))).toBe(false)
  })

  it('has them in memory where the host has a file system there, and never in the journal', async () => {
    const text = `echo "$TOKEN_FILE" > ${folder}/path; while [ ! -e ${folder}/go ]; do sleep 0.02; done`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    await until(() => existsSync(join(folder, 'path')) && pathIn('path') !== '')
    expect(readFileSync(pathIn('path'), 'utf8')).toBe(token)
    expect(
      execFileSync('stat', ['-f', '-c', '%T', pathIn('path')])
        .toString()
        .trim(),
    ).toBe('tmpfs')
    expect(holders(token)).toEqual([])
    expect(holders('TOKEN_FILE').length).toBeGreaterThan(0)
    writeFileSync(join(folder, 'go'), '')
    await ended(dispatch)
    expect(holders(token)).toEqual([])
    expect(agent.log).not.toContain(token)
  })

  asRoot('that runs as another account has them there, and no third account can read them', async () => {
    const text = `id -un; cat "$TOKEN_FILE" > /dev/null && echo read; stat -c '%a %U' "$TOKEN_FILE" "\${TOKEN_FILE%/*}"; touch "\${TOKEN_FILE%/*}/x" 2> /dev/null || echo no more; echo "$TOKEN_FILE" > ${folder}/path; while [ ! -e ${folder}/go ]; do sleep 0.02; done`
    execFileSync('chmod', ['777', folder])
    const dispatch = withSecrets(text, { TOKEN: token }, { account: 'nobody' })
    gateway.dispatch(dispatch)
    await until(() => existsSync(join(folder, 'path')) && pathIn('path') !== '')
    const asDaemon = (words: string[]) =>
      execFileSync('setpriv', ['--reuid=1', '--regid=1', '--clear-groups', ...words], { stdio: 'pipe' })
    for (const path of [dirname(pathIn('path')), dirname(dirname(pathIn('path')))])
      expect(() => asDaemon(['ls', path])).toThrow(/Permission denied/)
    expect(() => asDaemon(['cat', pathIn('path')])).toThrow(/Permission denied/)
    // Its environment and its command line say where the file is, not what is in it.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      for (const file of ['environ', 'cmdline']) {
        try {
          expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(token)
        } catch (error) {
          if ((error as { matcherResult?: unknown }).matcherResult) throw error
        }
      }
    writeFileSync(join(folder, 'go'), '')
    await ended(dispatch)
    expect(gateway.text(dispatch.id, 1).toString()).toBe('nobody\nread\n400 nobody\n711 root\nno more\n')
  })

  it('dumps no memory', async () => {
    const dispatch = withSecrets('ulimit -Hc', { TOKEN: token })
    gateway.dispatch(dispatch)
    await ended(dispatch)
    expect(gateway.text(dispatch.id, 1).toString()).toBe('0\n')
  })
})

describe('an order with secrets', () => {
  it.each<[string, (dispatch: ReturnType<typeof makeDispatch>) => void, string]>([
    [
      'whose secrets were left out',
      (dispatch) => (dispatch.secrets = Buffer.alloc(0)),
      'order_secrets_mismatch',
    ],
    [
      'that came with the secrets of another order',
      (dispatch) => (dispatch.secrets = withSecrets('true', { TOKEN: 'other' }).secrets),
      'order_secrets_mismatch',
    ],
    [
      'whose signed word for them was taken out',
      (dispatch) => (dispatch.order = changeOrder(dispatch.order, { secretsSha256: Buffer.alloc(0) })),
      'order_signature_invalid',
    ],
  ])('%s starts nothing', async (_what, change, code) => {
    const dispatch = withSecrets(`touch ${folder}/ran`, { TOKEN: token })
    change(dispatch)
    gateway.dispatch(dispatch)
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.reason, update.started]).toEqual([
      TaskState.TASK_STATE_REJECTED,
      code,
      Started.STARTED_NO,
    ])
    expect(existsSync(join(folder, 'ran'))).toBe(false)
  })

  it.each<[string, Partial<ScriptInput>, object, string]>([
    [
      'that is sealed for another host',
      { secrets: { values: { TOKEN: 'x' }, keys: [generateKey()] } },
      {},
      'secret_unreadable',
    ],
    [
      'that the control plane could not give its secrets',
      {},
      { secretsSha256: Buffer.alloc(0) },
      'secret_unavailable',
    ],
    ['whose secrets are not those of its task', { secrets: undefined as never }, {}, 'secret_unreadable'],
    [
      'with a name that changes the interpreter',
      { secrets: { values: { BASH_ENV: 'x' }, keys: [] } },
      {},
      'task_invalid',
    ],
    ['with a name that is a path', { secrets: { values: { '../x': 'x' }, keys: [] } }, {}, 'task_invalid'],
  ])('%s starts nothing', async (_what, input, change, code) => {
    const secrets = { values: { TOKEN: token }, keys: gateway.certificates }
    const named = code === 'secret_unreadable' && input.secrets === undefined
    const task = { text: `touch ${folder}/ran`, secrets, ...(named ? {} : input) }
    const dispatch = makeDispatch(
      gateway,
      { ...task, ...(named ? { secretNames: ['TOKEN', 'MORE'] } : {}) },
      change,
    )
    gateway.dispatch(dispatch)
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.reason]).toEqual([TaskState.TASK_STATE_REJECTED, code])
    expect(existsSync(join(folder, 'ran'))).toBe(false)
    expect(holders(token)).toEqual([])
  })

  it('that was sealed before a renewal opens after it, also in the next life of the agent', async () => {
    await agent.remove()
    gateway.drop()
    const known = gateway.certificates.length
    // Certificates that are to be renewed at once; the new one counts with the next session.
    gateway.options.hostCertificateMs = 1_000
    agent = await AgentProcess.create(gateway)
    agent.start()
    await until(() => gateway.certificates.length >= known + 2)
    await until(() => existsSync(join(agent.state, 'identity/next/cert.pem')))
    await gateway.sessionUp()
    const old = makeDispatch(gateway, {
      text: `cat "$TOKEN_FILE" > ${folder}/token`,
      secrets: { values: { TOKEN: token }, keys: [gateway.certificates[known] ?? ''] },
    })
    gateway.drop()
    await until(() => existsSync(join(agent.state, 'identity/former')))
    await agent.kill()
    gateway.drop()
    agent.start()
    await gateway.sessionUp()
    gateway.dispatch(old)
    const update = await gateway.final(old.id)
    expect([update.state, update.reason]).toEqual([TaskState.TASK_STATE_EXITED, ''])
    expect(readFileSync(join(folder, 'token'), 'utf8')).toBe(token)
    for (const name of readdirSync(join(agent.state, 'identity/former')))
      expect(statSync(join(agent.state, 'identity/former', name)).mode & 0o077).toBe(0)
  }, 60_000)
})

describe('output', () => {
  const stars = (text: string) => '*'.repeat(Buffer.byteLength(text))

  it('has a secret masked in both streams, in pieces and in the summary', async () => {
    const half = Math.floor(token.length / 2)
    const text = `V=$(cat "$TOKEN_FILE"); A=$(printf %s "$V" | head -c ${half}); B=$(printf %s "$V" | tail -c +${half + 1})
      echo "out $V."; echo "err $V." >&2; printf 'in pieces %s' "$A"; sleep 0.3; printf '%s.\\n' "$B"; sleep 0.3; printf 'only %s' "$A"`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    const update = await ended(dispatch)
    const shown = stars(token)
    expect(gateway.text(dispatch.id, 1).toString()).toBe(
      `out ${shown}.\nin pieces ${shown}.\nonly ${token.slice(0, half)}`,
    )
    expect(gateway.text(dispatch.id, 2).toString()).toBe(`err ${shown}.\n`)
    for (const stream of [1, 2] as const)
      expect(gateway.digest(dispatch.id, stream)).toBe(
        update[stream === 1 ? 'stdout' : 'stderr']?.sha256.toString('hex'),
      )
    expect(gateway.gaps).toEqual([])
  })

  it('tells what is no secret at once', async () => {
    const text = `printf 'ready> '; while [ ! -e ${folder}/go ]; do sleep 0.02; done`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.text(dispatch.id, 1).toString() === 'ready> ')
    writeFileSync(join(folder, 'go'), '')
    await ended(dispatch)
  })

  it('is masked in the same way when it is sent again after a crash of the agent, from any byte', async () => {
    const text = `V=$(cat "$TOKEN_FILE"); i=0; while [ $i -lt 300 ]; do printf 'line %s %s %s\\n' $i "$V" "$V" ; printf %s "$V" >&2; i=$((i+1)); sleep 0.005; done; exit 9`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    for (const bytes of [200, 6_000, 12_000]) {
      await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > bytes)
      await agent.kill()
      gateway.drop()
      agent.start()
      await gateway.sessionUp()
    }
    const update = await ended(dispatch)
    const lines = Array.from({ length: 300 }, (_, n) => `line ${n} ${stars(token)} ${stars(token)}\n`)
    expect(gateway.text(dispatch.id, 1).toString()).toBe(lines.join(''))
    expect(gateway.text(dispatch.id, 2).toString()).toBe(stars(token).repeat(300))
    expect([update.exitCode, gateway.gaps]).toEqual([9, []])
    expect(gateway.digest(dispatch.id, 1)).toBe(update.stdout?.sha256.toString('hex'))
    expect(gateway.digest(dispatch.id, 2)).toBe(update.stderr?.sha256.toString('hex'))
    for (const chunk of gateway.chunks) expect(chunk.data.includes(token)).toBe(false)
  }, 60_000)

  it('that the server lost is masked when it is sent again long after the end', async () => {
    const dispatch = withSecrets('cat "$TOKEN_FILE"; echo; cat "$TOKEN_FILE" >&2', { TOKEN: token })
    gateway.dispatch(dispatch)
    await ended(dispatch)
    const settled = join(agent.state, 'spool/tasks', dispatch.id, 'settled')
    await until(() => existsSync(settled) && readFileSync(settled, 'utf8') === 'complete')
    await agent.kill()
    gateway.drop()
    gateway.forget(dispatch.id)
    agent.start()
    await gateway.sessionUp()
    // In the middle of the secret.
    gateway.send({
      $case: 'outputWanted',
      value: { dispatchId: Buffer.from(dispatch.id, 'hex'), stdoutOffset: 5n, stderrOffset: 0n },
    })
    await gateway.until('chunk', () => gateway.received(dispatch.id, 2) === token.length)
    expect(gateway.text(dispatch.id, 1).toString()).toBe(`${stars(token).slice(5)}\n`)
    expect(gateway.text(dispatch.id, 2).toString()).toBe(stars(token))
  })

  it('that is cut in the middle of a secret does not show its beginning', async () => {
    const cap = 100 + Math.floor(token.length / 2)
    const text = `head -c 100 /dev/zero | tr '\\0' a; cat "$TOKEN_FILE"; head -c 5000 /dev/zero`
    const dispatch = withSecrets(text, { TOKEN: token }, { outputCapBytes: BigInt(cap) })
    gateway.dispatch(dispatch)
    const update = await ended(dispatch)
    expect([Number(update.stdout?.bytes), update.stdout?.truncated]).toEqual([cap, true])
    expect(gateway.text(dispatch.id, 1).toString()).toBe('a'.repeat(100) + '*'.repeat(cap - 100))
    expect(gateway.digest(dispatch.id, 1)).toBe(update.stdout?.sha256.toString('hex'))
  })
})

describe('nothing of a secret is left', () => {
  it('when the agent was killed and the script ended without it', async () => {
    const text = `echo "$TOKEN_FILE" > ${folder}/path; while [ ! -e ${folder}/go ]; do sleep 0.02; done; touch ${folder}/done`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    await until(() => existsSync(join(folder, 'path')) && pathIn('path') !== '')
    await agent.kill()
    expect(readFileSync(pathIn('path'), 'utf8')).toBe(token)
    writeFileSync(join(folder, 'go'), '')
    await until(() => !existsSync(pathIn('path')))
    expect(existsSync(join(folder, 'done'))).toBe(true)
    gateway.drop()
    agent.start()
    await ended(dispatch)
    expect(existsSync(dirname(dirname(pathIn('path'))))).toBe(false)
  })

  it('when wrapper, script and agent were all killed: the next life of the agent sweeps', async () => {
    const text = `echo "$TOKEN_FILE" > ${folder}/path; exec sleep 60`
    const dispatch = withSecrets(text, { TOKEN: token })
    gateway.dispatch(dispatch)
    await until(() => existsSync(join(folder, 'path')) && pathIn('path') !== '')
    await agent.kill()
    for (const record of ['pid', 'group'])
      process.kill(
        Number(readFileSync(join(agent.state, 'spool/tasks', dispatch.id, record), 'utf8').split(' ')[0]),
        'SIGKILL',
      )
    // And one that a crash left before its intent was written.
    const stray = join(dirname(dirname(pathIn('path'))), 'stray')
    execFileSync('mkdir', [stray])
    expect(existsSync(pathIn('path'))).toBe(true)
    gateway.drop()
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect(update.state).toBe(TaskState.TASK_STATE_INTERRUPTED)
    await until(() => !existsSync(dirname(stray)))
  })

  it('when the task is cancelled, or its interpreter is not there', async () => {
    const dispatch = withSecrets(`echo "$TOKEN_FILE" > ${folder}/path; exec sleep 60`, { TOKEN: token })
    gateway.dispatch(dispatch)
    await until(() => existsSync(join(folder, 'path')) && pathIn('path') !== '')
    gateway.cancel(dispatch)
    await ended(dispatch)
    const refused = withSecrets('true', { TOKEN: token }, { workingDirectory: '/is/not/there' })
    gateway.dispatch(refused)
    expect((await gateway.final(refused.id)).reason).toBe('working_directory_missing')
    expect(existsSync(dirname(dirname(pathIn('path'))))).toBe(false)
  })
})
