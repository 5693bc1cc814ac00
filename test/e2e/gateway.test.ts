/** The agents' front door, met by those who should not come in, and by agents that say what they should not. */
import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { Client } from 'pg'
import { CHUNK_BYTES, dispatchId, OutputStream, OutputSummary, TaskState, Started } from '../../proto/index'
import type { Platform } from '../../stack/platform/platform'
import { Relay } from '../../agent/testing/relay'
import { pause, TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'
import {
  connect,
  join,
  type KeyPair,
  makeForeignCertificate,
  makeHello,
  makeKeyPair,
  RawSession,
} from '../helpers/raw-agent'

describe('the gateway', () => {
  let platform: Platform
  let api: TestApi
  let pg: Client
  let ca: string
  let address: string

  beforeAll(async () => {
    platform = await startTestPlatform({
      agents: 1,
      env: { worker: { DROVER_LOST_AFTER_MS: '3000' }, gateway: { DROVER_HEARTBEAT_MS: '1000' } },
    })
    api = new TestApi(platform)
    pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
    ca = (await pg.query(`select public_part from platform_key where purpose = 'ca'`)).rows[0].public_part
    address = (await pg.query('select address from gateway')).rows[0].address
  }, 120_000)

  afterAll(async () => {
    await pg?.end()
    await platform?.close()
  }, 60_000)

  async function makeToken(more: Record<string, unknown> = {}): Promise<{ secret: string; id: string }> {
    const { body } = await api.insist<{ token: string; id: string }>('POST', '/join-tokens', {
      labels: { test: 'raw' },
      uses: 1,
      ttlMs: 60_000,
      ...more,
    })
    return { secret: body.token.split('.')[0] ?? '', id: body.id }
  }

  async function joinHost(name: string, keys?: KeyPair) {
    const pair = keys ?? (await makeKeyPair())
    const { secret } = await makeToken()
    const answer = await join(connect(address, ca), secret, name, pair.csr)
    return {
      ...answer,
      key: pair.key,
      open: (hello = makeHello()) =>
        new RawSession(connect(address, ca, { certificate: answer.certificate, key: pair.key }), hello),
    }
  }

  const isConnected = async (hostId: string) =>
    (await api.insist<{ connected: boolean }>('GET', `/hosts/${hostId}`)).body.connected

  async function untilGone(hostId: string): Promise<void> {
    for (const until = Date.now() + 15_000; await isConnected(hostId); await pause(200))
      if (Date.now() > until) throw new Error('the gateway did not notice')
  }

  describe('joining', () => {
    it('refuses a token that nobody made, with join_token_invalid', async () => {
      const { csr } = await makeKeyPair()
      await expect(
        join(connect(address, ca), `drj_${randomBytes(32).toString('base64url')}`, 'stranger', csr),
      ).rejects.toMatchObject({ code: 'join_token_invalid' })
    })

    it('refuses a used token, with join_token_used', async () => {
      const { secret } = await makeToken()
      await join(connect(address, ca), secret, 'first-user', (await makeKeyPair()).csr)
      await expect(
        join(connect(address, ca), secret, 'second-user', (await makeKeyPair()).csr),
      ).rejects.toMatchObject({ code: 'join_token_used' })
    })

    it('refuses an expired token, with join_token_expired', async () => {
      const { secret } = await makeToken({ ttlMs: 1_000 })
      await pause(1_200)
      await expect(
        join(connect(address, ca), secret, 'late', (await makeKeyPair()).csr),
      ).rejects.toMatchObject({ code: 'join_token_expired' })
    })

    it('refuses a revoked token, with join_token_invalid', async () => {
      const { secret, id } = await makeToken()
      await api.insist('DELETE', `/join-tokens/${id}`)
      await expect(
        join(connect(address, ca), secret, 'revoked', (await makeKeyPair()).csr),
      ).rejects.toMatchObject({ code: 'join_token_invalid' })
    })

    it('refuses a name that a host has, and takes no use of the token for it', async () => {
      await joinHost('taken')
      const { secret } = await makeToken()
      await expect(
        join(connect(address, ca), secret, 'taken', (await makeKeyPair()).csr),
      ).rejects.toMatchObject({ code: 'name_taken' })
      await expect(
        join(connect(address, ca), secret, 'not-taken', (await makeKeyPair()).csr),
      ).resolves.toBeDefined()
    })

    it('gives an agent whose answer was lost the same host again', async () => {
      const { secret } = await makeToken()
      const { csr } = await makeKeyPair()
      const [first, second] = [
        await join(connect(address, ca), secret, 'twice', csr),
        await join(connect(address, ca), secret, 'twice', csr),
      ]
      expect(second.hostId).toBe(first.hostId)
    })

    it('refuses what is no certificate request, with certificate_request_invalid', async () => {
      const { secret } = await makeToken()
      await expect(join(connect(address, ca), secret, 'garbage', randomBytes(200))).rejects.toMatchObject({
        code: 'certificate_request_invalid',
      })
    })
  })

  describe('a session', () => {
    it('needs a certificate', async () => {
      expect(await new RawSession(connect(address, ca), makeHello()).end()).toBe('certificate_missing')
    })

    it('refuses a certificate of another CA for the same host', async () => {
      const foreign = await makeForeignCertificate('1')
      expect(await new RawSession(connect(address, ca, foreign), makeHello()).end()).toBe(
        'certificate_missing',
      )
    })

    it('ends within seconds when its host is revoked, and cannot come back', async () => {
      const host = await joinHost('to-be-revoked')
      const session = host.open()
      await session.next('welcome')
      await api.insist('POST', `/hosts/${host.hostId}/revoke`, {})
      expect(await session.end(5_000)).toBe('certificate_revoked')
      expect(await host.open().end()).toBe('certificate_revoked')
    })

    it('keeps a host visible that speaks no common protocol', async () => {
      const host = await joinHost('from-the-future')
      expect(await host.open(makeHello({ protocolMin: 90, protocolMax: 99 })).end()).toBe(
        'protocol_unsupported',
      )
      const { body } = await api.insist<{ conditions: string[]; connected: boolean }>(
        'GET',
        `/hosts/${host.hostId}`,
      )
      expect(body).toMatchObject({ connected: false, conditions: ['protocol_unsupported'] })
    })

    it('takes a clock that is ten minutes off as a warning: the host is connected', async () => {
      const host = await joinHost('clock-off')
      const session = host.open(makeHello({ clockMs: BigInt(Date.now() + 600_000) }))
      await session.next('welcome')
      const { body } = await api.insist<{ clockSkewMs: number; connected: boolean }>(
        'GET',
        `/hosts/${host.hostId}`,
      )
      expect(body.connected).toBe(true)
      expect(body.clockSkewMs).toBeGreaterThan(590_000)
      session.close()
    })

    it('ends when its agent falls silent, though the connection stands', async () => {
      const mute = await joinHost('mute')
      const beating = await joinHost('beating')
      const session = mute.open()
      const other = beating.open()
      await session.next('welcome')
      await other.next('welcome')
      session.stopHeart()
      expect(await session.end(15_000)).toBe('session_silent')
      await untilGone(mute.hostId)
      expect(await isConnected(beating.hostId)).toBe(true)
      other.close()
    })

    it('ends within seconds when the host is cut off and closes nothing', async () => {
      const host = await joinHost('cut-off')
      const relay = await Relay.start(Number(address.split(':')[1]))
      const identity = { certificate: host.certificate, key: host.key }
      const session = new RawSession(connect(relay.address, ca, identity), makeHello())
      await session.next('welcome')
      relay.swallow()
      await untilGone(host.hostId)
      await relay.stop()
      session.close()
    })

    it('ends the older one of the same host', async () => {
      const host = await joinHost('twins')
      const hello = makeHello()
      const older = host.open(hello)
      const first = await older.next('welcome')
      const newer = host.open(hello)
      const second = await newer.next('welcome')
      expect(second.epoch).toBeGreaterThan(first.epoch)
      expect(await older.end()).toBe('session_superseded')
      newer.close()
    })

    it('scenario 04: quarantines a host whose journal has gone backwards', async () => {
      const host = await joinHost('rolled-back')
      const hello = makeHello({ journalSequence: 40n })
      const before = host.open(hello)
      await before.next('welcome')
      before.close()
      const after = host.open({ ...hello, journalSequence: 12n })
      await after.next('welcome')
      const { body } = await api.insist<{ state: string; stateReason: string }>(
        'GET',
        `/hosts/${host.hostId}`,
      )
      expect(body).toMatchObject({ state: 'quarantined', stateReason: 'journal_rolled_back' })
      after.close()
    })

    it('quarantines a cloned identity: two journals at once', async () => {
      const host = await joinHost('cloned')
      const original = host.open()
      await original.next('welcome')
      const clone = host.open()
      await clone.next('welcome')
      const { body } = await api.insist<{ state: string; stateReason: string }>(
        'GET',
        `/hosts/${host.hostId}`,
      )
      expect(body).toMatchObject({ state: 'quarantined', stateReason: 'journal_conflict' })
      clone.close()
    })

    it('refuses a first message that is no hello', async () => {
      const host = await joinHost('rude')
      const session = new RawSession(connect(address, ca, { certificate: host.certificate, key: host.key }))
      session.send({
        $case: 'heartbeat',
        value: {
          monotonicMs: 1n,
          runningTasks: 0,
          residentBytes: 0n,
          loopLagMs: 0,
          spoolFreeBytes: 0n,
          journalSequence: 0n,
          clockMs: 0n,
          conditions: [],
        },
      })
      expect(await session.end()).toBe('message_invalid')
    })
  })

  describe('an agent with a certificate of its own', () => {
    it('cannot tell results of another host', async () => {
      const script = { language: 'sh', script: 'sleep 3', name: 'slow' }
      const id = await api.launch({ target: 'name:rack-a-1', plan: { name: 'mine', steps: [script] } })
      const view = await api.until(id, (now) => now.steps[0]?.counts['running'] === 1)
      const victim = (await api.hosts(id))[0]!
      const red = await joinHost('red-team')
      const session = red.open()
      await session.next('welcome')
      const lie = (hostId: string) =>
        news(hostId, id, view.steps[0]!.id, { state: TaskState.TASK_STATE_EXITED, exitCode: 66 })
      session.send({ $case: 'taskUpdate', value: lie(victim.hostId) })
      session.send({ $case: 'taskUpdate', value: lie(red.hostId) })
      const end = await api.ended(id)
      expect(end.steps[0]!.counts).toEqual({ succeeded: 1 })
      expect((await api.hosts(id))[0]).toMatchObject({ exitCode: 0 })
      session.close()
    })

    it('gets a lost host called unknown, and amended when its journal answers', async () => {
      const host = await joinHost('goes-away')
      const hello = makeHello()
      const session = host.open(hello)
      await session.next('welcome')
      const id = await api.launch({
        target: 'name:goes-away',
        plan: { name: 'away', steps: [{ name: 'only', language: 'sh', script: 'true' }] },
      })
      await session.next('dispatch')
      session.close()
      const ended = await api.ended(id, 60_000)
      expect(ended).toMatchObject({ state: 'failed', steps: [{ counts: { unknown: 1 } }] })
      expect((await api.hosts(id))[0]).toMatchObject({
        state: 'unknown',
        started: 'maybe',
        reason: 'agent_lost',
      })
      const nothing = {
        bytes: 0n,
        sha256: Buffer.alloc(32),
        truncated: false,
        acknowledged: 0n,
        normalisedSha256: Buffer.alloc(0),
        normalisedRules: 0,
      }
      const end = { state: TaskState.TASK_STATE_EXITED, exitCode: 0, stdout: nothing, stderr: nothing }
      const task = news(host.hostId, id, ended.steps[0]!.id, end)
      const back = host.open({ ...hello, journalSequence: 9n, tasks: [task] })
      await back.next('taskSettled')
      const after = await api.get(id)
      expect(after).toMatchObject({ state: 'failed', steps: [{ counts: { succeeded: 1 } }] })
      expect((await api.hosts(id))[0]).toMatchObject({ state: 'succeeded', resolvedAt: expect.any(String) })
      back.close()
    })

    const news = (hostId: string, id: string, stepId: string, more: Record<string, unknown> = {}) => ({
      dispatchId: dispatchId(stepId, 1, hostId),
      state: TaskState.TASK_STATE_RUNNING,
      sequence: 2n,
      executionId: BigInt(id),
      stepExecutionId: BigInt(stepId),
      attempt: 1,
      outputDay: today(),
      exitCode: undefined,
      signal: '',
      reason: '',
      detail: '',
      started: Started.STARTED_YES,
      durationMs: 1n,
      stdout: undefined,
      stderr: undefined,
      startedAgoMs: 1n,
      variables: [],
      tag: '',
      failed: false,
      ...more,
    })
    const today = () => new Date().toISOString().slice(0, 10).replaceAll('-', '')
    const launchOn = (name: string) =>
      api.launch({
        target: `name:${name}`,
        plan: { name, steps: [{ name: 'only', language: 'sh', script: 'true' }] },
      })

    /** A host that has an order and has said nothing of it. */
    async function dispatchTo(name: string, more: Parameters<typeof makeHello>[0] = {}) {
      const host = await joinHost(name)
      const hello = makeHello(more)
      const session = host.open(hello)
      await session.next('welcome')
      const id = await launchOn(name)
      await session.next('dispatch')
      return { host, hello, session, id }
    }

    it('scenario 09: is told to cancel what it never saw, and its word ends the run', async () => {
      const { host, hello, session, id } = await dispatchTo('cancel-first')
      session.close()
      await api.operate(id, { kind: 'cancel' })
      const back = host.open({ ...hello, journalSequence: 5n })
      const { dispatchId: cancelled } = await back.next('cancelTask', 20_000)
      // An agent that never saw the dispatch knows nothing of it but its id.
      const answer = news('0', '1', '1', {
        dispatchId: cancelled,
        executionId: 0n,
        stepExecutionId: 0n,
        attempt: 0,
        outputDay: '',
      })
      back.send({
        $case: 'taskUpdate',
        value: { ...answer, state: TaskState.TASK_STATE_CANCELLED, started: Started.STARTED_NO },
      })
      const view = await api.ended(id, 20_000)
      expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { cancelled: 1 } }] })
      expect((await api.hosts(id))[0]).toMatchObject({ state: 'cancelled', started: 'no' })
      back.close()
    })

    it('scenario 04: is not asked again once its journal has gone backwards', async () => {
      const { host, hello, session, id } = await dispatchTo('snapshot', { journalSequence: 40n })
      session.close()
      const restored = host.open({ ...hello, journalSequence: 3n })
      await restored.next('welcome')
      const view = await api.ended(id, 30_000)
      expect(view.steps[0]!.counts).toEqual({ unknown: 1 })
      expect((await api.hosts(id))[0]).toMatchObject({ started: 'maybe', reason: 'journal_rolled_back' })
      expect(restored.received.filter((message) => message.$case === 'dispatch')).toEqual([])
      restored.close()
    })

    it('is not asked for what another journal was sent', async () => {
      const { host, session, id } = await dispatchTo('new-journal')
      session.close()
      await api.until(id, () => true)
      await pause(500)
      const other = host.open(makeHello())
      await other.next('welcome')
      const view = await api.ended(id, 30_000)
      expect(view.steps[0]!.counts).toEqual({ unknown: 1 })
      expect((await api.hosts(id))[0]).toMatchObject({ started: 'maybe', reason: 'journal_lost' })
      expect(other.received.filter((message) => message.$case === 'dispatch')).toEqual([])
      other.close()
    })

    it('cannot say "never started" of what it has said to run', async () => {
      const { host, session, id } = await dispatchTo('two-tongues')
      const stepId = (await api.get(id)).steps[0]!.id
      session.send({ $case: 'taskUpdate', value: news(host.hostId, id, stepId) })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
      const refusal = {
        state: TaskState.TASK_STATE_REJECTED,
        started: Started.STARTED_NO,
        reason: 'order_wrong_journal',
      }
      session.send({ $case: 'taskUpdate', value: news(host.hostId, id, stepId, refusal) })
      await api.ended(id, 20_000)
      expect((await api.hosts(id))[0]).toMatchObject({
        state: 'unknown',
        started: 'maybe',
        reason: 'order_wrong_journal',
      })
      session.close()
    })

    it('cannot hold up the results of others with words that no table can keep', async () => {
      const { host, session, id } = await dispatchTo('poison')
      const stepId = (await api.get(id)).steps[0]!.id
      const huge = 2n ** 64n - 1n
      for (const poison of [
        { detail: `${'x'.repeat(999)}\u{1f600}` },
        { detail: 'a\u0000b', reason: 'z\u0000', signal: '\u0000'.repeat(100) },
        { startedAgoMs: huge, durationMs: huge, exitCode: -(2 ** 31) },
        { attempt: 2 ** 32 - 1, dispatchId: dispatchId(stepId, 2 ** 32 - 1, host.hostId) },
        { outputDay: '20991231' },
      ]) {
        session.send({ $case: 'taskUpdate', value: news(host.hostId, id, stepId, poison) })
      }
      const other = await api.launch({
        target: 'name:rack-a-1',
        plan: { name: 'other', steps: [{ name: 'only', language: 'sh', script: 'true' }] },
      })
      expect((await api.ended(other, 20_000)).state).toBe('succeeded')
      session.send({
        $case: 'taskUpdate',
        value: news(host.hostId, id, stepId, { state: TaskState.TASK_STATE_EXITED, exitCode: 0 }),
      })
      expect((await api.ended(id, 20_000)).state).toBe('succeeded')
      session.close()
    })

    it('lies about its own output alone: what it did not deflate as it said is shown as that, in its length', async () => {
      const { host, hello, session, id } = await dispatchTo('liar')
      const stepId = (await api.get(id)).steps[0]!.id
      const told = Buffer.from('told by the host itself\n'.repeat(50))
      const pieces: [data: Buffer, inflatedBytes: number][] = [
        [deflateRawSync(told), told.length],
        ...Array.from({ length: 40 }, (): [Buffer, number] => [Buffer.from('?'), 1]),
        [Buffer.from('this is no deflate'), 60],
        [deflateRawSync(Buffer.alloc(50_000_000)), 65_536],
        [deflateRawSync(told), told.length + 1],
        [Buffer.from('the end\n'), 0],
      ]
      const chunk = {
        dispatchId: dispatchId(stepId, 1, host.hostId),
        stream: OutputStream.OUTPUT_STREAM_STDOUT,
        atMs: 1n,
      }
      let offset = 0
      for (const [data, inflatedBytes] of pieces) {
        const value = { ...chunk, offset: BigInt(offset), data, inflatedBytes }
        session.send({ $case: 'outputChunk', value })
        offset += inflatedBytes || data.length
      }
      const end = {
        state: TaskState.TASK_STATE_EXITED,
        exitCode: 0,
        stdout: OutputSummary.fromPartial({ bytes: BigInt(offset), sha256: Buffer.alloc(32) }),
        stderr: OutputSummary.fromPartial({ sha256: Buffer.alloc(32) }),
      }
      session.send({ $case: 'taskUpdate', value: news(host.hostId, id, stepId, end) })
      expect((await api.ended(id, 20_000)).state).toBe('succeeded')
      for (const until = Date.now() + 10_000; Date.now() < until; await pause(100))
        if ((await api.output(id, host.hostId)).length === offset) break
      const shown = (await api.output(id, host.hostId)).toString()
      expect(shown).toHaveLength(offset)
      expect(shown.slice(0, told.length)).toBe(told.toString())
      const remark = '[sent by its host in a form that cannot be read]\n'
      expect(shown.slice(told.length, -'the end\n'.length)).toBe(
        '['.repeat(40) +
          remark.repeat(2).slice(0, 60) +
          remark.repeat(2_000).slice(0, 65_536) +
          remark.repeat(100).slice(0, told.length + 1),
      )
      expect(shown.endsWith('the end\n')).toBe(true)
      session.close()
      for (const [data, inflatedBytes] of [
        [Buffer.alloc(CHUNK_BYTES + 1), 0],
        [Buffer.alloc(0), 0],
        [Buffer.alloc(0), 100],
        [Buffer.from('few'), 60_000],
        [Buffer.from('more than it inflates to'), 3],
      ] as const) {
        const again = host.open({ ...hello, journalSequence: 9n })
        await again.next('welcome')
        again.send({ $case: 'outputChunk', value: { ...chunk, offset: 0n, data, inflatedBytes } })
        expect(await again.end()).toBe('message_invalid')
      }
    })
  })
})
