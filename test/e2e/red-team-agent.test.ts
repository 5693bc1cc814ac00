/** Whoever has stolen a host's certificate, or comes with a wrong one: what the gateway's port gives away, and what agents believe. */
import { randomBytes, sign, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { Client } from 'pg'
import {
  AgentGatewayServiceService,
  dispatchId,
  Hello,
  JoinRequest,
  OutputStream,
  renewalProof,
  SessionRequest,
  OutputSummary,
  Started,
  TaskState,
  type TaskUpdate,
} from '../../proto/index'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Forger, type Forged, type Wish } from '../helpers/forged-certificates'
import { connected, startTestPlatform } from '../helpers/platform'
import { seeded } from '../../base/seeded'
import { callJoin, connect, join, makeHello, makeKeyPair, RawSession } from '../helpers/raw-agent'
import { RealAgent } from '../helpers/real-agent'

const NAME = 'gateway.drover'
const SESSION = '/drover.agent.v1.AgentGatewayService/Session'

interface Identity {
  certificate: string
  key: string
}

describe('the gateway’s port', () => {
  let platform: Platform
  let api: TestApi
  let pg: Client
  let ca: string
  let address: string

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 1 })
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

  async function makeToken(): Promise<string> {
    const { body } = await api.insist<{ token: string }>('POST', '/join-tokens', { uses: 1, ttlMs: 600_000 })
    return body.token
  }

  async function joinHost(name: string): Promise<Identity & { hostId: string }> {
    const pair = await makeKeyPair()
    const secret = (await makeToken()).split('.')[0] ?? ''
    const { hostId, certificate } = await join(connect(address, ca), secret, name, pair.csr)
    return { hostId, certificate, key: pair.key }
  }

  const open = (identity: Identity | undefined, hello = makeHello()) =>
    new RawSession(connect(address, ca, identity), hello)

  /** GET over the same port, by ALPN `http/1.1`. */
  function get(path: string, identity?: Identity): Promise<{ status: number; code: string | undefined }> {
    const [host, port] = address.split(':')
    return new Promise((resolve, reject) => {
      const request = https.request(
        {
          host,
          port,
          path,
          ca,
          servername: NAME,
          ALPNProtocols: ['http/1.1'],
          agent: false,
          ...(identity ? { cert: identity.certificate, key: identity.key } : {}),
        } as https.RequestOptions,
        (response) => {
          let text = ''
          response.on('data', (piece: Buffer) => {
            text += piece.toString()
          })
          response.on('end', () => {
            const body = text.startsWith('{') ? (JSON.parse(text) as { code?: string }) : {}
            resolve({ status: response.statusCode ?? 0, code: body.code })
          })
        },
      )
      request.on('error', reject)
      request.end()
    })
  }

  const gatewayLog = () => readFileSync(`${platform.data}/logs/gateway-1/current.log`, 'utf8')
  const workerLog = () => readFileSync(`${platform.data}/logs/worker-1/current.log`, 'utf8')

  describe('with a stolen certificate of host A', () => {
    let thief: Identity & { hostId: string }
    let session: RawSession
    let run: string
    let stepId: string
    let victim: string
    const text = 'sleep 6; echo told by the host itself # long enough to be of the victim alone'

    beforeAll(async () => {
      thief = await joinHost('stolen')
      session = open(thief)
      await session.next('welcome')
      const steps = [{ name: 'only', language: 'sh', script: `${text}\n${'#'.repeat(70_000)}` }]
      run = await api.launch({ target: 'name:rack-a-1', plan: { name: 'theirs', steps } })
      stepId = (await api.until(run, (now) => now.steps[0]?.counts['running'] === 1)).steps[0]?.id ?? ''
      victim = (await api.hosts(run))[0]?.hostId ?? ''
    }, 60_000)

    afterAll(() => session?.close())

    const news = (hostId: string, more: Partial<TaskUpdate> = {}): TaskUpdate => ({
      dispatchId: dispatchId(stepId, 1, hostId),
      state: TaskState.TASK_STATE_EXITED,
      sequence: 9n,
      executionId: BigInt(run),
      stepExecutionId: BigInt(stepId),
      attempt: 1,
      outputDay: new Date().toISOString().slice(0, 10).replaceAll('-', ''),
      exitCode: 66,
      signal: '',
      reason: '',
      detail: '',
      started: Started.STARTED_YES,
      durationMs: 1n,
      stdout: OutputSummary.fromPartial({ bytes: 9n, sha256: Buffer.alloc(32) }),
      stderr: OutputSummary.fromPartial({ sha256: Buffer.alloc(32) }),
      startedAgoMs: 1n,
      variables: [],
      tag: '',
      failed: false,
      ...more,
    })

    it('the text of another host’s script is not found, whatever the path', async () => {
      const { rows } = await pg.query<{ hash: string }>(
        `select encode(t.sha256, 'hex') as hash from script_text t, shard d where d.execution_id = $1 and position(t.sha256 in d.spec) > 0`,
        [run],
      )
      const hash = rows[0]?.hash ?? ''
      expect(hash).toHaveLength(64)
      for (const path of [
        `/blobs/scripts/${hash}`,
        `/blobs/agents/${hash}`,
        `/blobs/scripts/${hash}?x`,
        `/blobs/scripts/../scripts/${hash}`,
        `//blobs/scripts/${hash}`,
        `/blobs/scripts/%2e%2e/${hash}`,
        `/blobs/scripts/${hash.toUpperCase()}`,
        '/blobs/scripts/../../../../etc/passwd',
        '/blobs/',
        '/',
      ])
        expect([path, await get(path, thief)]).toEqual([path, { status: 404, code: 'not_found' }])
    })

    it('no result, state or output of another host changes, and the gateway says who tried', async () => {
      const chunk = {
        dispatchId: dispatchId(stepId, 1, victim),
        stream: OutputStream.OUTPUT_STREAM_STDOUT,
        atMs: 1n,
        inflatedBytes: 0,
      }
      for (const update of [
        news(victim),
        news(thief.hostId),
        news(victim, { dispatchId: dispatchId(stepId, 1, thief.hostId) }),
        news(victim, { executionId: 0n, stepExecutionId: 0n, attempt: 0 }),
        news(victim, { state: TaskState.TASK_STATE_CANCELLED }),
        news(victim, { state: TaskState.TASK_STATE_REJECTED }),
      ]) {
        session.send({ $case: 'taskUpdate', value: update })
        session.send({ $case: 'outputChunk', value: { ...chunk, offset: 0n, data: Buffer.from('forged') } })
      }
      const again = open(
        thief,
        makeHello({ ...(await helloOf()), tasks: [news(victim), news(thief.hostId)] }),
      )
      await again.next('welcome')
      const end = await api.ended(run)
      expect(end.steps[0]?.counts).toEqual({ succeeded: 1 })
      expect((await api.hosts(run))[0]).toMatchObject({ hostId: victim, exitCode: 0, attempt: 1 })
      expect((await api.output(run, victim)).toString()).toBe('told by the host itself\n')
      const said = again.received.filter(({ $case }) => $case !== 'drain')
      expect(
        said
          .map(({ $case }) => $case)
          .filter((word) => ['dispatch', 'cancelTask', 'outputWanted'].includes(word)),
      ).toEqual(
        // Its own lie was about a task that it might have had: it is asked for the output, and nothing is made of it.
        ['outputWanted'],
      )
      expect(gatewayLog()).toContain(`"hostId":"${thief.hostId}","code":"message_invalid"`)
      session = again
    })

    const helloOf = async () => {
      const { rows } = await pg.query(`select journal_id, journal_sequence from host where id = $1`, [
        thief.hostId,
      ])
      return {
        journalId: rows[0].journal_id as string,
        journalSequence: BigInt(rows[0].journal_sequence) + 1n,
      }
    }

    it('gets no certificate of another host by renewing, and the worker says so', async () => {
      const file = `${platform.agentState('rack-a-1')}/identity/cert.pem`
      const certificate = new X509Certificate(readFileSync(file)).raw
      const { csr } = await makeKeyPair()
      const count = async () =>
        (await pg.query('select count(*)::int as n from certificate where host_id = $1', [victim])).rows[0]
          .n as number
      const before = await count()
      type Request = Extract<
        NonNullable<Parameters<typeof session.send>[0]>,
        { $case: 'certificateRequest' }
      >['value']
      // One request of a session is passed on at a time, the others are dropped: asked again, as an agent does.
      const askUntil = async (value: Request, what: string, isAnswered: () => boolean) => {
        for (const until = Date.now() + 10_000; !isAnswered(); await pause(300)) {
          if (Date.now() > until) throw new Error(`${what} did not come`)
          session.send({ $case: 'certificateRequest', value })
        }
      }
      const refusal = (code: string) => () => workerLog().includes(`"code":"${code}"`)
      const proof = sign('sha256', renewalProof(csr), thief.key)
      await askUntil({ csr, certificate, proof }, 'certificate_wrong', refusal('certificate_wrong'))
      const unproven = { csr, certificate, proof: Buffer.alloc(0) }
      await askUntil(unproven, 'certificate_missing', refusal('certificate_missing'))
      expect(await count()).toBe(before)
      const answers = () => session.received.filter(({ $case }) => $case === 'certificate')
      expect(answers()).toEqual([])
      // Its own it may renew, as the host that it was stolen from.
      const own = { csr, certificate: new X509Certificate(thief.certificate).raw, proof }
      await askUntil(own, 'a certificate', () => answers().length > 0)
      const answer = await session.next('certificate')
      expect(new X509Certificate(answer.certificate).subjectAltName).toBe(
        `URI:spiffe://drover/host/${thief.hostId}`,
      )
    })

    it('joins nobody: neither by a token of another Drover nor by a certificate in its place', async () => {
      const { csr } = await makeKeyPair()
      const foreign = `drj_${randomBytes(32).toString('base64url')}`
      await expect(join(connect(address, ca, thief), foreign, 'second', csr)).rejects.toMatchObject({
        code: 'join_token_invalid',
      })
      const nothing = {
        token: '',
        tokenKey: Buffer.alloc(0),
        proof: Buffer.alloc(0),
        csr,
        agentVersion: '',
        facts: {},
      }
      await expect(
        callJoin(connect(address, ca, thief), { ...nothing, name: 'second' }),
      ).rejects.toMatchObject({
        code: 'join_token_invalid',
      })
      expect((await pg.query(`select from host where name = 'second'`)).rowCount).toBe(0)
    })

    it('nothing more, on a live session too, once the host is revoked', async () => {
      expect((await get('/identity', thief)).status).toBe(204)
      await api.insist('POST', `/hosts/${thief.hostId}/revoke`, {})
      expect(await session.end(5_000)).toBe('certificate_revoked')
      expect(await open(thief).end()).toBe('certificate_revoked')
      expect(await get('/identity', thief)).toEqual({ status: 404, code: 'certificate_revoked' })
      const own = new X509Certificate(thief.certificate).raw
      const { csr } = await makeKeyPair()
      const other = await joinHost('renews-for-a-friend')
      const friend = open(other)
      await friend.next('welcome')
      friend.send({
        $case: 'certificateRequest',
        value: { csr, certificate: own, proof: sign('sha256', renewalProof(csr), thief.key) },
      })
      for (
        const until = Date.now() + 10_000;
        !workerLog().includes('"code":"certificate_revoked"');
        await pause(100)
      )
        if (Date.now() > until) throw new Error('the worker did not say that it refused')
      expect(friend.received.filter(({ $case }) => $case === 'certificate')).toEqual([])
      friend.close()
    })
  })

  describe('with a certificate that is wrong', () => {
    let inside: Forger
    let bystander: RawSession
    let subject: string
    let uri: string
    let hostId: string

    beforeAll(async () => {
      inside = await Forger.inside(platform, pg)
      ;({ hostId } = await joinHost('impersonated'))
      subject = `CN=host ${hostId}`
      uri = `spiffe://drover/host/${hostId}`
      bystander = open(await joinHost('bystander'))
      await bystander.next('welcome')
    })

    afterAll(() => bystander?.close())

    /** As if a worker had issued it: so that the certificate itself is what is refused, not that it is unknown. */
    async function record({ fingerprint }: Forged, of: { host?: string; gateway?: string }): Promise<void> {
      await pg.query(
        `insert into certificate (scope_id, serial, host_id, gateway, not_after, fingerprint) values (1, $1, $2, $3, now() + interval '1 day', $4)`,
        [randomBytes(8).toString('hex'), of.host ?? null, of.gateway ?? null, fingerprint],
      )
    }

    const outsideName = () => new X509Certificate(ca).subject.replaceAll('\n', ',')
    const corpus: [
      string,
      () => Promise<Forger>,
      (wish: Wish) => Wish,
      'recorded' | 'unknown' | 'dropped',
    ][] = [
      ['of another CA', () => Forger.outside('CN=other'), (wish) => wish, 'recorded'],
      ['of another CA by our CA’s name', () => Forger.outside(outsideName()), (wish) => wish, 'dropped'],
      ['signed by itself, same subject', async () => Forger.selfSigned(), (wish) => wish, 'recorded'],
      ['for servers', async () => inside, (wish) => ({ ...wish, usage: 'server' }), 'recorded'],
      [
        'that has expired',
        async () => inside,
        (wish) => ({ ...wish, valid: [-7_200_000, -60_000] }),
        'recorded',
      ],
      [
        'that is not valid yet',
        async () => inside,
        (wish) => ({ ...wish, valid: [600_000, 7_200_000] }),
        'recorded',
      ],
      [
        'that names two hosts',
        async () => inside,
        (wish) => ({ ...wish, uris: ['spiffe://drover/host/1', uri] }),
        'recorded',
      ],
      [
        'that names the host twice',
        async () => inside,
        (wish) => ({ ...wish, uris: [uri, uri] }),
        'recorded',
      ],
      [
        'that names another host',
        async () => inside,
        (wish) => ({ ...wish, uris: ['spiffe://drover/host/1'] }),
        'recorded',
      ],
      [
        'that names a host and a gateway',
        async () => inside,
        (wish) => ({ ...wish, dns: [NAME] }),
        'recorded',
      ],
      ['that names nobody', async () => inside, (wish) => ({ ...wish, uris: [], dns: ['x'] }), 'recorded'],
      ['that was never issued', async () => inside, (wish) => wish, 'unknown'],
    ]

    it('fits the corpus: a right one, recorded, is let in', async () => {
      const right = await inside.make({ subject, uris: [uri] })
      await record(right, { host: hostId })
      const session = open(right)
      await session.next('welcome')
      session.close()
      expect((await get('/identity', right)).status).toBe(204)
    })

    it.each(corpus)('%s: no session, no bytes', async (_what, forger, change, known) => {
      const wrong = await (await forger()).make(change({ subject, uris: [uri] }))
      if (known !== 'unknown') await record(wrong, { host: hostId })
      const codes = ['certificate_missing', 'certificate_wrong', 'certificate_revoked']
      const code = await open(wrong).end()
      // OpenSSL stumbles over a signature that its issuer's key did not make: that connection breaks instead of being answered.
      expect(known === 'dropped' ? [...codes, '13', '14'] : codes).toContain(code)
      expect(bystander.ended).toBeUndefined()
      for (const path of [
        '/identity',
        `/blobs/scripts/${'0'.repeat(64)}`,
        `/blobs/agents/${'0'.repeat(64)}`,
      ]) {
        const answer = await get(path, wrong)
        expect([path, answer.status]).toEqual([path, 404])
        expect(codes).toContain(answer.code)
      }
      // A join needs none, so that a wrong one gives nothing there either.
      const { csr } = await makeKeyPair()
      const none = `drj_${randomBytes(32).toString('base64url')}`
      const joining = join(connect(address, ca, wrong), none, 'wrong', csr)
      await expect(joining).rejects.toMatchObject(known === 'dropped' ? {} : { code: 'join_token_invalid' })
    })

    it('that is a gateway’s: no session, no bytes', async () => {
      const wish = { subject: 'CN=gateway g', uris: ['spiffe://drover/gateway/g'], dns: [NAME] }
      for (const usage of ['server', 'client', 'none'] as const) {
        const stolen = await inside.make({ ...wish, usage })
        await record(stolen, { gateway: 'g' })
        expect(['certificate_missing', 'certificate_revoked']).toContain(await open(stolen).end())
        expect((await get('/identity', stolen)).status).toBe(404)
      }
    })

    it('has every gRPC method looked at here: a new one needs a decision', () => {
      expect(Object.values(AgentGatewayServiceService).map(({ path }) => path)).toEqual([
        SESSION,
        '/drover.agent.v1.AgentGatewayService/Join',
      ])
    })
  })

  describe('an agent that meets a server which is not a gateway', () => {
    it('tells it nothing, runs nothing, goes on trying, and finds the right one', async () => {
      const inside = await Forger.inside(platform, pg)
      const host = await joinHost('becomes-a-server')
      const right: Wish = {
        subject: 'CN=gateway gateway-1',
        uris: ['spiffe://drover/gateway/gateway-1'],
        dns: [NAME],
        usage: 'server',
      }
      const wrong: Identity[] = [
        await (await Forger.outside('CN=other')).make(right),
        await Forger.selfSigned().make(right),
        host,
        await inside.make({ ...right, dns: ['gateway.example'] }),
        await inside.make({ ...right, valid: [-7_200_000, -60_000] }),
        await inside.make({ ...right, valid: [600_000, 7_200_000] }),
        await inside.make({ ...right, usage: 'client' }),
      ]
      const servers = await Promise.all(wrong.map((identity) => listenAs(identity)))
      const agent = new RealAgent({ name: 'loyal', gateways: address, token: await makeToken() })
      try {
        agent.start()
        await connected(platform, 2)
        await agent.kill()
        agent.log = ''
        agent.options.gateways = servers.map((server) => server.address).join(',')
        agent.start()
        for (const until = Date.now() + 60_000; servers.some((server) => server.met < 2); await pause(100))
          if (Date.now() > until) throw new Error(`it gave up: ${servers.map((server) => server.met).join()}`)
        expect(servers.map((server) => server.heard)).toEqual(servers.map(() => 0))
        expect(agent.log).not.toContain('session is up')
        expect(
          agent.log.match(/"level":"(warn|info)".*(trying|session|gateway)/g)?.length ?? 0,
        ).toBeGreaterThan(1)
        await agent.kill()
        agent.options.gateways = [...servers.map((server) => server.address), address].join(',')
        agent.start()
        await connected(platform, 2)
      } finally {
        await agent.remove()
        for (const server of servers) server.close()
      }
    })

    /** Counts who came, and the bytes that they said once they had seen the certificate. */
    async function listenAs(identity: Identity) {
      const seen = { met: 0, heard: 0, address: '', close: () => undefined as void }
      const server = tls.createServer(
        { cert: `${identity.certificate}\n${ca}`, key: identity.key, ALPNProtocols: ['h2'] },
        (socket) => {
          socket.on('error', () => undefined)
          socket.on('data', (bytes: Buffer) => {
            seen.heard += bytes.length
          })
        },
      )
      server.on('connection', () => {
        seen.met++
      })
      server.on('tlsClientError', () => undefined)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      seen.address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
      seen.close = () => void server.close()
      return seen
    }
  })

  describe('fed with what is no message', () => {
    const residentMb = (pid: number) =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

    it('stays up, stays small, and serves the others', async () => {
      const random = seeded(20_261_121)
      const pid = platform.child('gateway-1').pid ?? 0
      const before = residentMb(pid)
      const host = await joinHost('fuzzer')
      const working = api.launch({
        target: 'name:rack-a-1',
        plan: {
          name: 'beside',
          steps: Array.from({ length: 4 }, (_, i) => ({ name: `s${i}`, language: 'sh', script: 'sleep 1' })),
        },
      })
      await fuzzGrpc(random, host)
      await fuzzRaw(random)
      const end = await api.ended(await working)
      expect(end.state).toBe('succeeded')
      expect(platform.child('gateway-1').pid).toBe(pid)
      expect(residentMb(pid) - before).toBeLessThan(120)
      expect(gatewayLog()).not.toMatch(/"level":"fatal"/)
      const still = open(host)
      await still.next('welcome')
      still.close()
    })

    const bytesOf = (random: () => number, most: number) =>
      Buffer.from(Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256)))

    function mutate(random: () => number, bytes: Buffer): Buffer {
      const copy = Buffer.from(bytes)
      for (let n = 1 + Math.floor(random() * 6); n > 0 && copy.length; n--)
        copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
      return random() < 0.2 ? copy.subarray(0, Math.floor(random() * copy.length)) : copy
    }

    function frame(random: () => number, payload: Buffer): Buffer {
      const head = Buffer.alloc(5)
      head.writeUInt8(random() < 0.05 ? 1 : 0, 0)
      head.writeUInt32BE(random() < 0.05 ? Math.floor(random() * 2 ** 32) : payload.length, 1)
      return Buffer.concat([head, payload])
    }

    /** Every method, with and without a certificate: random bytes, and valid messages with a few bytes changed. */
    async function fuzzGrpc(random: () => number, host: Identity & { hostId: string }): Promise<void> {
      const { csr } = await makeKeyPair()
      const hello = Buffer.from(Hello.encode(makeHello()).finish())
      const valid = [
        Buffer.from(SessionRequest.encode({ message: { $case: 'hello', value: makeHello() } }).finish()),
        hello,
        Buffer.from(
          JoinRequest.encode({
            token: '',
            csr,
            name: 'fuzz',
            agentVersion: '1',
            facts: { a: 'b' },
            tokenKey: randomBytes(32),
            proof: randomBytes(64),
          }).finish(),
        ),
      ]
      const paths = Object.values(AgentGatewayServiceService).map(({ path }) => path)
      for (const identity of [undefined, host]) {
        const client = http2.connect(`https://${address}`, {
          ca,
          servername: NAME,
          ...(identity ? { cert: identity.certificate, key: identity.key } : {}),
        })
        client.on('error', () => undefined)
        for (const path of [...paths, '/drover.agent.v1.AgentGatewayService/Nothing', '/'])
          for (let n = 0; n < 40; n++) {
            const base = valid[Math.floor(random() * valid.length)] ?? hello
            await call(
              client,
              path,
              frame(random, random() < 0.5 ? bytesOf(random, 2_000) : mutate(random, base)),
            )
          }
        // A message that says it is larger than any may be.
        await call(
          client,
          SESSION,
          Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), Buffer.alloc(60_000)]),
        )
        client.destroy()
      }
    }

    function call(client: http2.ClientHttp2Session, path: string, body: Buffer): Promise<void> {
      return new Promise((resolve) => {
        if (client.destroyed) return resolve()
        const stream = client.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc',
          te: 'trailers',
        })
        const timer = setTimeout(() => stream.close(), 300)
        stream.on('error', () => undefined)
        stream.on('close', () => {
          clearTimeout(timer)
          resolve()
        })
        stream.resume()
        stream.end(body)
      })
    }

    /** Before anybody is known: instead of TLS, and inside of it instead of HTTP. */
    async function fuzzRaw(random: () => number): Promise<void> {
      const [host, port] = [address.split(':')[0] ?? '', Number(address.split(':')[1])]
      const requests = [
        () => bytesOf(random, 4_000),
        () => Buffer.from(`GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`),
        () => Buffer.from(`GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(5_000)}\r\n`),
        () =>
          Buffer.from(
            'POST /identity HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
          ),
        () =>
          Buffer.from('POST /identity HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n'),
        () => Buffer.from('GET /identity HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200)),
        () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        () => Buffer.concat([Buffer.from('GET /identity HTTP/9.9\r\n'), bytesOf(random, 500)]),
      ]
      for (let n = 0; n < 60; n++) {
        await feed(() => net.connect(port, host), bytesOf(random, 4_000))
        const body = (requests[n % requests.length] ?? (() => Buffer.alloc(0)))()
        for (const protocol of ['http/1.1', 'h2'])
          await feed(() => tls.connect({ host, port, ca, servername: NAME, ALPNProtocols: [protocol] }), body)
      }
    }

    function feed(dial: () => net.Socket, bytes: Buffer): Promise<void> {
      return new Promise((resolve) => {
        const socket = dial()
        const timer = setTimeout(() => socket.destroy(), 150)
        socket.on('error', () => undefined)
        socket.on('data', () => undefined)
        socket.on('close', () => {
          clearTimeout(timer)
          resolve()
        })
        socket.write(bytes)
      })
    }
  })
})
