/** A scene for the scenarios: a real platform, agents in the test's hands, and effects counted from what scripts wrote. */
import { Client, Connection, type WorkflowHandle } from '@temporalio/client'
import { createDrover, type Drover, type ExecutionEvent } from '../../sdk/index'
import type { Platform, PlatformOptions } from '../../stack/platform/platform'
import { createPool, type Pool } from '../../store/postgres/pool'
import { pause, TestApi } from './api'
import { Effects } from './effects'
import { startTestPlatform } from './platform'
import { RealAgent } from './real-agent'
import { replaySince } from './replays'
import { Wire } from './wire'

export class Scene {
  readonly platform: Platform
  readonly api: TestApi
  readonly drover: Drover
  readonly pool: Pool
  readonly effects = new Effects()
  ca = ''
  private client: Client | undefined
  private readonly agents: RealAgent[] = []
  private readonly wires: Wire[] = []

  private constructor(platform: Platform) {
    this.platform = platform
    this.api = new TestApi(platform)
    this.drover = createDrover(platform)
    this.pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 4)
  }

  static async start(options: PlatformOptions = {}): Promise<Scene> {
    const scene = new Scene(await startTestPlatform({ agents: 0, ...options }))
    const keys = await scene.pool.query(`select public_part from platform_key where purpose = 'ca'`)
    scene.ca = keys.rows[0].public_part
    return scene
  }

  /** Temporal's own client, to look at workflows and to press what its UI offers. */
  async temporal(): Promise<Client> {
    const address = this.platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    this.client ??= new Client({ connection: await Connection.connect({ address }) })
    return this.client
  }

  /** Where a gateway's agents connect. */
  async gateway(name: string): Promise<string> {
    return (await this.pool.query('select address from gateway where name = $1', [name])).rows[0].address
  }

  async wire(upstream: string): Promise<Wire> {
    const wire = await Wire.start(upstream)
    this.wires.push(wire)
    return wire
  }

  /** A real agent that joins under a name; resolves when it is connected. */
  async agent(name: string, gateways: string, env: Record<string, string> = {}): Promise<RealAgent> {
    const { token } = await this.drover.createJoinToken({ labels: {}, uses: 1, ttlMs: 600_000 })
    const agent = this.own(new RealAgent({ name, gateways, token, env }))
    agent.start()
    await this.connected(name)
    return agent
  }

  own(agent: RealAgent): RealAgent {
    this.agents.push(agent)
    return agent
  }

  async hostId(name: string): Promise<string> {
    for await (const host of this.drover.hosts({ target: `name:${name}` })) return host.id
    throw new Error(`there is no host ${name}`)
  }

  /** Resolves when the host of a name has a session, or has none. */
  async connected(name: string, isConnected = true, forMs = 30_000): Promise<void> {
    for (const until = Date.now() + forMs; ; await pause(50)) {
      const hosts = await this.api.insist<{ items: { name: string; connected: boolean }[] }>(
        'GET',
        '/hosts?limit=1000',
      )
      const host = hosts.body.items?.find((item) => item.name === name)
      if ((host?.connected ?? false) === isConnected) return
      if (Date.now() > until)
        throw new Error(
          `${name} is ${isConnected ? 'not connected' : 'still connected'}\n${this.agents.at(-1)?.log ?? ''}`,
        )
    }
  }

  /** Launches one step on a target; the script tells of its start and of its end. */
  launch(target: string, body: string, more: Record<string, unknown> = {}): Promise<string> {
    const script = [this.effects.line('start'), body, this.effects.line('end')].join('\n')
    const step = { name: 'only', language: 'sh', script, graceMs: 500, ...more }
    return this.api.launch({ target, plan: { name: 'scenario', steps: [step] } })
  }

  private countOf(word: string, id: string, hostId?: string): number {
    return [...this.effects.count(id)]
      .filter(([line]) => line.startsWith(`${word} `) && (!hostId || line.endsWith(` ${hostId}`)))
      .reduce((sum, [, n]) => sum + n, 0)
  }

  starts(id: string, hostId?: string): number {
    return this.countOf('start', id, hostId)
  }

  ends(id: string, hostId?: string): number {
    return this.countOf('end', id, hostId)
  }

  /** What the run's event stream tells from its begin to its end. */
  async events(id: string): Promise<ExecutionEvent[]> {
    const events: ExecutionEvent[] = []
    for await (const event of this.drover.watchEvents(id)) events.push(event)
    return events
  }

  /** Resolves when the run's workflow has ended: the rows have the end before, and a history without its last task is none to replay. */
  async workflowEnded(id: string): Promise<WorkflowHandle> {
    const workflow = (await this.temporal()).workflow.getHandle(`execution/default/${id}`)
    await eventually('the end of the workflow', async () =>
      (await workflow.describe()).status.name === 'RUNNING' ? undefined : true,
    )
    return workflow
  }

  /** Every workflow of this platform must replay: one that does not is a run that breaks when a worker takes it over. */
  async expectReplays(): Promise<void> {
    const { replayed, failures } = await replaySince(await this.temporal(), new Date(0))
    expect(failures).toEqual([])
    expect(replayed).toBeGreaterThan(0)
  }

  async close(): Promise<void> {
    for (const agent of this.agents) await agent.remove()
    for (const wire of this.wires) await wire.stop()
    await this.client?.connection.close()
    await this.pool.end()
    await this.platform.close()
    this.effects.remove()
  }
}

/** Waits for something that no interface announces. */
export async function eventually<T>(
  what: string,
  find: () => Promise<T | undefined> | T | undefined,
  forMs = 15_000,
): Promise<T> {
  for (const until = Date.now() + forMs; ; await pause(50)) {
    const found = await find()
    if (found !== undefined) return found
    if (Date.now() > until) throw new Error(`this did not come within ${forMs} ms: ${what}`)
  }
}
