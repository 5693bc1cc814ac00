/** Joining and staying connected: who is believed, what ends a session, and what may be under way. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '../base/backoff.js'
import { CHUNK_BYTES, TaskState } from '../proto/index.js'
import { AgentProcess, agentBundle } from './testing/agent-process.js'
import { makeDispatch } from './testing/orders.js'
import { Relay } from './testing/relay.js'
import { TestGateway, type TestGatewayOptions } from './testing/test-gateway.js'

const open: { remove?(): Promise<void>; stop?(): Promise<void> }[] = []

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await (thing.remove?.() ?? thing.stop?.())
})

async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await TestGateway.start(options)
  open.push(gateway)
  return gateway
}

async function startAgent(
  gateway: TestGateway,
  environment: Record<string, string> = {},
): Promise<AgentProcess> {
  const agent = await AgentProcess.create(gateway, environment)
  open.push(agent)
  agent.start()
  return agent
}

async function logged(agent: AgentProcess, text: string): Promise<void> {
  for (let tries = 0; !agent.log.includes(text); tries++) {
    if (tries > 200) throw new Error(`the log never said "${text}":\n${agent.log}`)
    await delay(50)
  }
}

describe('joining', () => {
  it('makes an identity that only its owner can read, and needs no token again', async () => {
    const gateway = await startGateway()
    const agent = await startAgent(gateway)
    await gateway.sessionUp()
    const identity = join(agent.state, 'identity')
    expect(readdirSync(identity).sort()).toEqual([
      'ca.pem',
      'cert.pem',
      'host.json',
      'key.pem',
      'signing-keys.json',
    ])
    expect(statSync(join(identity, 'key.pem')).mode & 0o777).toBe(0o600)
    expect(statSync(identity).mode & 0o777).toBe(0o700)
    await agent.kill()
    gateway.drop()
    delete agent.environment['DROVER_AGENT_JOIN_TOKEN']
    agent.start()
    await gateway.sessionUp()
    expect(gateway.joins).toBe(1)
  })

  it('with a token that is refused ends with status 3 and says what to do', async () => {
    const gateway = await startGateway()
    const token = `drj_${'x'.repeat(24)}.${gateway.ca.sha256.toString('base64url')}`
    const agent = await startAgent(gateway, { DROVER_AGENT_JOIN_TOKEN: token })
    expect(await agent.exited()).toBe(3)
    expect(agent.log).toContain('join_token_invalid')
    expect(agent.log).toContain('make a new join token')
    expect(agent.log).not.toContain('x'.repeat(24))
  })

  it('believes no gateway of another CA than the one that the token pins', async () => {
    const gateway = await startGateway()
    const other = await startGateway()
    const agent = await startAgent(gateway, { DROVER_AGENT_JOIN_TOKEN: other.token })
    await logged(agent, 'does not belong to the CA')
    expect([gateway.joins, existsSync(join(agent.state, 'identity/host.json'))]).toEqual([0, false])
    expect(await isAlive(agent)).toBe(true)
  })

  it('takes no key for orders that the CA has not signed, whatever the gateway says', async () => {
    const gateway = await startGateway({ foreignKey: true })
    const agent = await startAgent(gateway)
    await logged(agent, 'named no signing key that the CA has signed')
    expect(existsSync(join(agent.state, 'identity/host.json'))).toBe(false)
    expect(await isAlive(agent)).toBe(true)
  })

  it('does not take a server of the right CA under another name', async () => {
    const gateway = await startGateway({ serverName: 'somewhere.else' })
    const agent = await startAgent(gateway)
    await logged(agent, 'joining failed')
    expect(gateway.joins).toBe(0)
    expect(await isAlive(agent)).toBe(true)
  })
})

describe('a session', () => {
  it('is not opened with a gateway of a wrong identity, and the agent goes on trying', async () => {
    const gateway = await startGateway()
    const agent = await startAgent(gateway)
    await gateway.sessionUp()
    await agent.kill()
    const impostor = await startGateway()
    agent.environment['DROVER_AGENT_GATEWAYS'] = `${impostor.address},${gateway.address}`
    gateway.drop()
    agent.start()
    await gateway.sessionUp()
    expect(impostor.hellos).toEqual([])
    expect((await gateway.run({ text: 'exit 1' })).update.exitCode).toBe(1)
  })

  it('comes back after the gateway cut it, and what ended meanwhile is told', async () => {
    const gateway = await startGateway()
    await startAgent(gateway)
    await gateway.sessionUp()
    const dispatch = makeDispatch(gateway, { text: 'sleep 0.2; exit 8' })
    gateway.dispatch(dispatch)
    await gateway.update(dispatch.id, (update) => update.state === TaskState.TASK_STATE_RUNNING)
    gateway.drop()
    expect((await gateway.final(dispatch.id)).exitCode).toBe(8)
    expect(gateway.hellos.at(-1)?.lastEpoch).toBe(1n)
  })

  it('moves to the next gateway when one drains', async () => {
    const gateway = await startGateway()
    const second = await TestGateway.start({}, gateway)
    open.push(second)
    await startAgent(gateway, { DROVER_AGENT_GATEWAYS: `${gateway.address},${second.address}` })
    await gateway.sessionUp()
    gateway.send({ $case: 'drain', value: { reconnectAfterMs: 50 } })
    await second.sessionUp()
    expect(second.journalId).toBe(gateway.journalId)
  })

  it('that is refused is tried again after the time that was named', async () => {
    const gateway = await startGateway()
    await startAgent(gateway)
    await gateway.sessionUp()
    const refusedAt = performance.now()
    gateway.send({
      $case: 'refusal',
      value: { code: 'fenced', message: 'a newer session', retryAfterMs: 700 },
    })
    await gateway.until('session', () => gateway.hellos.length > 1)
    expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(690)
  })

  // A gateway of part 1, as the test's own is, knows no path at which a certificate can be tried.
  it('renews its certificate and shows the new one next time where it cannot be tried before', async () => {
    const gateway = await startGateway({ hostCertificateMs: 3_000 })
    const agent = await startAgent(gateway)
    await gateway.sessionUp()
    const first = readFileSync(join(agent.state, 'identity/cert.pem'), 'utf8')
    await logged(agent, 'the next session will show it')
    expect(readFileSync(join(agent.state, 'identity/cert.pem'), 'utf8')).toBe(first)
    gateway.drop()
    await gateway.until('session', () => gateway.hellos.length > 1)
    while (existsSync(join(agent.state, 'identity/next'))) await delay(10)
    expect(readFileSync(join(agent.state, 'identity/cert.pem'), 'utf8')).not.toBe(first)
    expect((await gateway.run({ text: 'exit 1' })).update.exitCode).toBe(1)
  })

  it('has no more output under way than the window, and verdicts pass by it', async () => {
    const gateway = await startGateway({ ack: false, windowBytes: 3 * CHUNK_BYTES })
    await startAgent(gateway)
    await gateway.sessionUp()
    const flood = makeDispatch(gateway, { text: 'head -c 5000000 /dev/zero' })
    gateway.dispatch(flood)
    expect((await gateway.final(flood.id)).stdout?.bytes).toBe(5_000_000n)
    const quick = makeDispatch(gateway, { text: 'exit 3' })
    gateway.dispatch(quick)
    expect((await gateway.final(quick.id)).exitCode).toBe(3)
    expect(isFilled(gateway.received(flood.id, 1), 3)).toBe(true)
    gateway.send({ $case: 'outputWindow', value: { bytes: 5 * CHUNK_BYTES } })
    await gateway.until('chunk', () => isFilled(gateway.received(flood.id, 1), 5))
  })

  it('deflates output where its gateway takes that, and sends it as it is where not', async () => {
    const gateway = await startGateway({ deflated: false })
    await startAgent(gateway)
    await gateway.sessionUp()
    const text = 'yes the same line again and again | head -c 300000'
    const plain = await gateway.run({ text })
    expect(gateway.chunks.every(({ inflatedBytes }) => inflatedBytes === 0)).toBe(true)
    gateway.options.deflated = true
    gateway.chunks.splice(0)
    gateway.drop()
    await gateway.until('session', () => gateway.hellos.length > 1)
    const deflated = await gateway.run({ text })
    const sent = gateway.chunks.reduce((bytes, { data }) => bytes + data.length, 0)
    expect(sent).toBeLessThan(30_000)
    expect(deflated.stdout.equals(plain.stdout)).toBe(true)
    expect(gateway.digest(deflated.id, 1)).toBe(deflated.update.stdout?.sha256.toString('hex'))
  })

  it('goes on with output exactly where the server says', async () => {
    const gateway = await startGateway({ ack: false, windowBytes: 2 * CHUNK_BYTES })
    await startAgent(gateway)
    await gateway.sessionUp()
    const { id } = makeDispatch(gateway, { text: 'true' })
    const dispatch = makeDispatch(gateway, { text: 'head -c 1000000 /dev/urandom; sleep 1' })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => isFilled(gateway.received(dispatch.id, 1), 2))
    gateway.options.ack = true
    gateway.drop()
    const update = await gateway.final(dispatch.id)
    await gateway.outputOf(dispatch.id, update)
    expect(gateway.gaps).toEqual([])
    expect(gateway.digest(dispatch.id, 1)).toBe(update.stdout?.sha256.toString('hex'))
    expect(id).not.toBe(dispatch.id)
  })

  it('sends again what the server dropped, and its window is whole after that', async () => {
    const gateway = await startGateway({ ack: false, windowBytes: 2 * CHUNK_BYTES })
    await startAgent(gateway)
    await gateway.sessionUp()
    const dispatch = makeDispatch(gateway, { text: 'head -c 1000000 /dev/urandom' })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => isFilled(gateway.received(dispatch.id, 1), 2))
    gateway.options.ack = true
    gateway.forget(dispatch.id)
    const again = { dispatchId: Buffer.from(dispatch.id, 'hex'), stdoutOffset: 0n, stderrOffset: 0n }
    gateway.send({ $case: 'outputWanted', value: again })
    const update = await gateway.final(dispatch.id)
    await gateway.outputOf(dispatch.id, update)
    expect(gateway.gaps).toEqual([])
    expect(gateway.digest(dispatch.id, 1)).toBe(update.stdout?.sha256.toString('hex'))
  })

  it('is left for another when the peer falls silent', async () => {
    const gateway = await startGateway()
    const relay = await Relay.start(gateway.port)
    open.push(relay)
    await startAgent(gateway, { DROVER_AGENT_GATEWAYS: relay.address })
    await gateway.sessionUp()
    relay.swallow()
    const frozenAt = performance.now()
    await gateway.until('session', () => gateway.hellos.length > 1, 30_000)
    expect(performance.now() - frozenAt).toBeLessThan(25_000)
  }, 40_000)
})

describe('the health of an agent', () => {
  it('is told by its listener, its flag and its file', async () => {
    const gateway = await startGateway()
    const agent = await startAgent(gateway, { DROVER_HEALTH_LISTEN: `127.0.0.1:${await freePort()}` })
    await gateway.sessionUp()
    const ask = (environment: Record<string, string>) => runFlag('--healthz', environment)
    await delay(50)
    expect(ask(agent.environment)).toMatchObject({ code: 0, text: expect.stringContaining('is up') })
    const metrics = await fetch(`http://${agent.environment['DROVER_HEALTH_LISTEN']}/metrics`).then(
      (answer) => answer.text(),
    )
    expect(metrics).toContain('drover_agent_session_up 1')
    const byFile = { ...agent.environment }
    delete byFile['DROVER_HEALTH_LISTEN']
    expect(ask(byFile).code).toBe(0)
    await agent.kill('SIGTERM')
    expect(ask(agent.environment).code).toBe(1)
    expect(ask(byFile)).toMatchObject({ code: 1, text: 'stopped\n' })
  })
})

describe('flags', () => {
  it('name the version, check the configuration and refuse what is unknown', () => {
    expect(runFlag('--version', {})).toEqual({ code: 0, text: '0.1.0\n' })
    expect(runFlag('--config-check', { DROVER_AGENT_GATEWAYS: 'a:1,b:2' }).code).toBe(0)
    expect(runFlag('--config-check', { DROVER_AGENT_GATEWAYS: 'nonsense' }).code).toBe(2)
    expect(runFlag('--config-check', {}).code).toBe(2)
    expect(runFlag('--frobnicate', {}).code).toBe(2)
  })
})

function runFlag(flag: string, environment: Record<string, string>): { code: number; text: string } {
  try {
    const text = execFileSync(process.execPath, [agentBundle(), flag], {
      env: environment,
      stdio: 'pipe',
    }).toString()
    return { code: 0, text }
  } catch (error) {
    const failed = error as { status: number; stdout: Buffer }
    return { code: failed.status, text: failed.stdout.toString() }
  }
}

async function isAlive(agent: AgentProcess): Promise<boolean> {
  return Promise.race([agent.exited().then(() => false), delay(300).then(() => true)])
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address ? address.port : 0
}

/** Whether a window of so many chunks has no room for another one: the first may have been short, for the file still grew. */
function isFilled(bytes: number, chunks: number): boolean {
  return bytes > (chunks - 1) * CHUNK_BYTES && bytes <= chunks * CHUNK_BYTES
}
