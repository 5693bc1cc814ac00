/** Stores behind a wire that goes dead without a word: nobody waits for ever, and nobody holds what others need. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded'
import { connectLog } from '../../store/log/connect'
import { createPool, type Pool } from '../../store/postgres/pool'
import { asSweeper } from '../../store/postgres/sweeps'
import { transaction } from '../../store/postgres/transaction'
import { Relay } from '../chaos/relay'

const portOf = (url: string) => Number(/:(\d+)(?:\/|$)/.exec(url)?.[1])

describe('a dead wire', () => {
  const data = mkdtempSync(path.join(tmpdir(), 'drover-wire-'))
  let embedded: Embedded
  let direct: Pool
  let cut: Pool
  let relays: Relay[]
  let kept: ReturnType<typeof connectLog>

  beforeAll(async () => {
    embedded = await startEmbedded({
      data,
      prefix: 'DROVER_TEST_',
      fsync: false,
      servers: ['postgres', 'mongo'],
    })
    const { postgres, mongo } = embedded.urls
    const wires = await Promise.all(
      [postgres, mongo].map(async (url) => ({ url, make: await Relay.listen() })),
    )
    relays = wires.map(({ url, make }) => make({ from: 'test', to: 'store', toPort: portOf(url) }))
    const through = (url: string, index: number) => url.replace(`:${portOf(url)}`, `:${relays[index]?.port}`)
    direct = createPool(postgres)
    cut = createPool(through(postgres, 0), 4)
    kept = connectLog(through(mongo, 1))
    await direct.query('create table thing (id int primary key, n int not null)')
    await direct.query('insert into thing values (1, 0), (2, 0)')
  }, 60_000)

  afterAll(async () => {
    for (const relay of relays) relay.close()
    await kept?.client.close()
    await Promise.all([direct?.end(), cut?.end()])
    await embedded?.close()
    rmSync(data, { recursive: true, force: true })
  })

  it('fails what was asked on it, frees what was locked by it, and later questions are answered', async () => {
    const chunk = (offset: number) => ({
      day: '20261121',
      dispatch: 'ab'.repeat(32),
      stream: 'stdout' as const,
      offset,
      data: Buffer.from('text\n'),
    })
    await kept.log.insert([chunk(0)])
    await Promise.all([1, 2].map(() => cut.query('select pg_sleep(0.1)')))
    let locked = () => {}
    const isLocked = new Promise<void>((resolve) => (locked = resolve))
    let isDead = () => {}
    const dead = new Promise<void>((resolve) => (isDead = resolve))
    const inTheMiddle = transaction(cut, async (tx) => {
      await tx.query('update thing set n = 1 where id = 1')
      locked()
      await dead
      await tx.query('update thing set n = 1 where id = 2')
    })
    await isLocked
    const healings = relays.map((relay) => relay.swallow())
    const asked = [inTheMiddle, cut.query('select 1'), kept.log.insert([chunk(5)])]
    const refused = Promise.allSettled(asked)
    for (const heal of healings) heal('lose')
    isDead()
    // Whoever waits for the row gets it when the server has seen nothing of its holder for ten seconds.
    await direct.query('update thing set n = 2 where id = 1')
    expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect((await cut.query('select id, n from thing order by id')).rows).toEqual([
      { id: 1, n: 2 },
      { id: 2, n: 0 },
    ])
    await kept.log.insert([chunk(5)])
    expect(await kept.log.contiguousEnd(chunk(0), 0)).toBe(10)
  }, 90_000)

  it('keeps no log of output closed because its server was away at first', async () => {
    const relay = relays[1] as Relay
    const heal = relay.swallow()
    const { client, log } = connectLog(
      embedded.urls.mongo.replace(`:${portOf(embedded.urls.mongo)}`, `:${relay.port}`),
    )
    const key = { day: '20261121', dispatch: 'cd'.repeat(32), stream: 'stdout' as const }
    await expect(log.contiguousEnd(key, 0)).rejects.toThrow()
    heal('reset')
    await expect(log.contiguousEnd(key, 0)).resolves.toBe(0)
    await client.close()
  })

  it('gives the sweeping to another when a sweep fails', async () => {
    await expect(asSweeper(direct, () => Promise.reject(new Error('the engine is away')))).rejects.toThrow(
      'away',
    )
    await expect(asSweeper(cut, () => Promise.resolve())).resolves.toBe(true)
    const second = asSweeper(direct, async () => {
      expect(await asSweeper(cut, () => Promise.resolve())).toBe(false)
    })
    await expect(second).resolves.toBe(true)
  })
})
