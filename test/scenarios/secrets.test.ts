/** Scenarios about secrets: where a value may be seen, and what becomes of a run whose secret changes. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { filesBelow, readIfThere } from '../helpers/folder'
import { eventually, Scene } from '../helpers/scene'

describe('secrets', () => {
  let scene: Scene
  let count = 0

  beforeAll(async () => {
    scene = await Scene.start({ agents: 2 })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  async function keep(value: string): Promise<string> {
    const name = `secret-${++count}`
    const { status } = await scene.api.insist('POST', '/secrets', { name, value })
    expect(status).toBe(201)
    return name
  }
  const change = async (at: string, body?: unknown) => {
    const { status } = await scene.api.insist('POST', `/secrets/${at}`, body)
    expect(status).toBeLessThan(300)
  }
  const file = (name: string) => path.join(scene.effects.folder, name)
  const until = (name: string) => `while [ ! -e ${file(name)} ]; do sleep 0.05; done`
  const seen = (name: string) => eventually(name, () => (existsSync(file(name)) ? true : undefined))
  /** Two steps: the first one waits for a file. */
  const twoSteps = (target: string, secrets: Record<string, string>, second: string, go: string) =>
    scene.api.launch({
      target,
      plan: {
        name: 'two',
        steps: [
          { name: 'wait', language: 'sh', script: `touch ${file(`${go}-waits`)}\n${until(go)}` },
          { name: 'use', language: 'sh', script: second, secrets },
        ],
      },
    })

  it('scenario 27: is in no command line, environment, journal, history or output, whole or over a border of chunks', async () => {
    const value = `canary-${randomBytes(20).toString('hex')}`
    const name = await keep(value)
    // 64 KiB less 20 bytes before it: the secret lies on the border of two chunks.
    const script = [
      `head -c 65516 /dev/zero | tr '\\0' a; cat "$VALUE_FILE"; cat "$VALUE_FILE" >&2`,
      `cat "$VALUE_FILE" > ${file('copy')}.$DROVER_HOST; ${until('looked')}`,
    ].join('\n')
    const step = { name: 'only', language: 'sh', script, secrets: { VALUE: name } }
    const id = await scene.api.launch({ target: '*', plan: { name: 'canary', steps: [step] } })
    const hosts = await scene.api.hosts(id)
    for (const { hostId } of hosts)
      await eventually('the copy', () =>
        existsSync(`${file('copy')}.${hostId}`) && statSync(`${file('copy')}.${hostId}`).size === value.length
          ? true
          : undefined,
      )
    for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)))
      for (const part of ['environ', 'cmdline']) {
        const text = readIfThere(`/proc/${pid}/${part}`)
        expect([pid, part, text.includes(value)]).toEqual([pid, part, false])
      }
    // The task's own output file has what the script wrote; it is sent masked.
    for (const at of filesBelow(scene.platform.data).filter((each) => !each.includes('/postgres/')))
      if (!/\/spool\/tasks\/[0-9a-f]+\/std(out|err)$/.test(at))
        expect([at, readIfThere(at).includes(value)]).toEqual([at, false])
    writeFileSync(file('looked'), '')
    expect((await scene.api.ended(id)).state).toBe('succeeded')
    for (const { hostId } of hosts) {
      expect(readFileSync(`${file('copy')}.${hostId}`, 'utf8')).toBe(value)
      const out = await eventually('the output', async () => {
        const bytes = await scene.api.output(id, hostId)
        return bytes.length === 65_516 + value.length ? bytes : undefined
      })
      expect(out.subarray(65_516).toString()).toBe('*'.repeat(value.length))
      expect((await scene.api.output(id, hostId, 'stderr')).toString()).toBe('*'.repeat(value.length))
    }
    const temporal = await scene.temporal()
    const history = await temporal.workflow.getHandle(`execution/default/${id}`).fetchHistory()
    expect(Buffer.from(JSON.stringify(history.events)).includes(value)).toBe(false)
  }, 90_000)

  it('scenario 27: that is rotated mid-run is given as it was at the launch, to every host', async () => {
    const name = await keep('the first one')
    const id = await twoSteps(
      '*',
      { VALUE: name },
      `cat "$VALUE_FILE" > ${file('rotated')}.$DROVER_HOST`,
      'rotate',
    )
    await seen('rotate-waits')
    await change(`${name}/versions`, { value: 'the second one' })
    writeFileSync(file('rotate'), '')
    expect((await scene.api.ended(id)).state).toBe('succeeded')
    for (const { hostId } of await scene.api.hosts(id, 1))
      expect(readFileSync(`${file('rotated')}.${hostId}`, 'utf8')).toBe('the first one')
    const next = await scene.launch('name:rack-a-1', `cat "$VALUE_FILE" > ${file('next')}`, {
      secrets: { VALUE: name },
    })
    await scene.api.ended(next)
    expect(readFileSync(file('next'), 'utf8')).toBe('the second one')
  }, 60_000)

  it.each(['destroy', 'disable'])(
    'scenario 27: whose version is gone mid-run (%s): the step is refused on every host, and starts nowhere',
    async (how) => {
      const [gone, other] = [await keep('gone'), await keep('there')]
      const secrets = { GONE: gone, OTHER: other }
      const id = await twoSteps('*', secrets, `touch ${file(`ran-${how}`)}`, how)
      await seen(`${how}-waits`)
      await change(`${gone}/versions/1/${how}`)
      writeFileSync(file(how), '')
      expect((await scene.api.ended(id)).state).toBe('failed')
      const refused = { state: 'rejected', started: 'no', reason: 'secret_unavailable' }
      expect(await scene.api.hosts(id, 1)).toMatchObject([refused, refused])
      expect(existsSync(file(`ran-${how}`))).toBe(false)
      if (how === 'destroy') return
      await change(`${gone}/versions/1/enable`)
      await scene.api.operate(id, { kind: 'retry' })
      await scene.api.until(id, (view) => view.state === 'succeeded')
      expect(existsSync(file(`ran-${how}`))).toBe(true)
    },
    60_000,
  )

  it('that is disabled reaches no host that waits for its turn, though its order was made before', async () => {
    const name = await keep('not for the second')
    const id = await scene.launch('*', `touch ${file('turn')}.$DROVER_HOST; ${until('turned')}`, {
      secrets: { VALUE: name },
      concurrency: 1,
    })
    const hosts = await scene.api.hosts(id)
    const first = await eventually('the first', () =>
      hosts.find(({ hostId }) => existsSync(`${file('turn')}.${hostId}`)),
    )
    await change(`${name}/versions/1/disable`)
    writeFileSync(file('turned'), '')
    expect((await scene.api.ended(id)).state).toBe('failed')
    for (const host of await scene.api.hosts(id))
      expect(host).toMatchObject(
        host.hostId === first.hostId
          ? { state: 'succeeded' }
          : { state: 'rejected', started: 'no', reason: 'secret_unavailable' },
      )
    for (const { hostId } of hosts) expect(scene.starts(id, hostId)).toBe(hostId === first.hostId ? 1 : 0)
  }, 60_000)

  it('that is destroyed while a script has it harms no run that a gateway loses meanwhile', async () => {
    const name = await keep('had')
    const id = await scene.launch(
      '*',
      `touch ${file('has')}.$DROVER_HOST; ${until('end')}; cat "$VALUE_FILE" > ${file('had')}.$DROVER_HOST`,
      {
        secrets: { VALUE: name },
      },
    )
    const hosts = await scene.api.hosts(id)
    for (const { hostId } of hosts) await seen(`has.${hostId}`)
    await change(`${name}/versions/1/destroy`)
    scene.platform.child('gateway-1').kill('SIGKILL')
    await eventually(
      'the gateway is back',
      async () => {
        const { rows } = await scene.pool.query(
          'select from shard where execution_id = $1 and closed_at is null and id > (select min(id) from shard where execution_id = $1)',
          [id],
        )
        return rows.length ? true : undefined
      },
      40_000,
    )
    writeFileSync(file('end'), '')
    expect((await scene.api.ended(id)).state).toBe('succeeded')
    for (const { hostId } of hosts) {
      expect(readFileSync(`${file('had')}.${hostId}`, 'utf8')).toBe('had')
      expect([scene.starts(id, hostId), scene.ends(id, hostId)]).toEqual([1, 1])
    }
    // What was sealed is not kept longer than its order is carried.
    const { rows } = await scene.pool.query(
      'select count(*)::int as n from shard where execution_id = $1 and closed_at is not null and secrets is not null',
      [id],
    )
    expect(rows).toEqual([{ n: 0 }])
  }, 90_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
