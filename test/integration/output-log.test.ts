/** The log of output on a real server: the same bytes whatever is sent twice, in pieces or out of order. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded.js'
import { connectLog } from '../../store/log/connect.js'
import type { Binary } from 'mongodb'
import pg from 'pg'
import { deflate } from '../../base/deflate'
import { seeded } from '../../base/seeded'
import { pause } from '../helpers/api'

describe('the log of output', () => {
  const data = mkdtempSync(path.join(tmpdir(), 'drover-log-'))
  let embedded: Embedded
  let kept: ReturnType<typeof connectLog>

  beforeAll(async () => {
    embedded = await startEmbedded({ data, prefix: 'DROVER_TEST_', fsync: false })
    kept = connectLog(embedded.urls.mongo)
  }, 60_000)

  afterAll(async () => {
    await kept?.client.close()
    await embedded?.close()
    rmSync(data, { recursive: true, force: true })
  })

  const newKey = () => ({
    day: '20261121',
    dispatch: randomBytes(32).toString('hex'),
    stream: 'stdout' as const,
  })

  async function all(key: ReturnType<typeof newKey>, from = 0, to?: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of kept.log.read(key, from, to)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  it('gives back any range of what was stored in pieces of any size', async () => {
    const random = seeded(11)
    const bytes = randomBytes(3_500_000)
    const key = newKey()
    const chunks = []
    for (let offset = 0; offset < bytes.length; ) {
      const length = Math.min(1 + Math.floor(random() * 65_536), bytes.length - offset)
      chunks.push({ ...key, offset, data: bytes.subarray(offset, offset + length) })
      offset += length
    }
    await kept.log.insert(chunks.reverse())
    expect((await all(key)).equals(bytes)).toBe(true)
    for (let i = 0; i < 20; i++) {
      const from = Math.floor(random() * bytes.length)
      const to = from + Math.floor(random() * 200_000)
      expect((await all(key, from, to)).equals(bytes.subarray(from, to))).toBe(true)
    }
    expect(await kept.log.contiguousEnd(key, 0)).toBe(bytes.length)
  })

  it('keeps the tail of a chunk that is sent again with more', async () => {
    const key = newKey()
    const bytes = randomBytes(50_000)
    await kept.log.insert([{ ...key, offset: 0, data: bytes.subarray(0, 10) }])
    await kept.log.insert([{ ...key, offset: 0, data: bytes }])
    await kept.log.insert([{ ...key, offset: 0, data: bytes.subarray(0, 20_000) }])
    expect((await all(key)).equals(bytes)).toBe(true)
    expect(await kept.log.contiguousEnd(key, 0)).toBe(50_000)
  })

  it('keeps what came deflated as it is, whatever is sent again with more, and merges it', async () => {
    const key = newKey()
    const bytes = Buffer.from(Array.from({ length: 9_000 }, (_, n) => `line ${n}`).join('\n'))
    const part = (from: number, to: number) => ({
      ...key,
      offset: from,
      ...deflate(bytes.subarray(from, to)),
    })
    await kept.log.insert([part(0, 2_000), part(2_000, 4_000)])
    await kept.log.insert([part(0, 2_000), part(2_000, 60_000), part(60_000, bytes.length)])
    expect((await all(key)).equals(bytes)).toBe(true)
    expect((await all(key, 1_990, 2_010)).equals(bytes.subarray(1_990, 2_010))).toBe(true)
    const documents = kept.client.db().collection<{ _id: string; z: boolean; d: Binary }>('output_20261121')
    const stored = async () =>
      (await documents.find().toArray()).filter(({ _id }) => _id.startsWith(key.dispatch))
    const last = (await stored()).find(({ _id }) => _id.endsWith(':000000000060000'))
    expect(last?.z).toBe(true)
    expect(Buffer.from(last?.d.buffer ?? []).equals(part(60_000, bytes.length).data)).toBe(true)
    await kept.log.merge(key, bytes.length)
    expect((await all(key)).equals(bytes)).toBe(true)
    const bytesStored = (await stored()).reduce((sum, { d }) => sum + d.length(), 0)
    expect(bytesStored).toBeLessThan(bytes.length / 2)
  })

  it('leaves out what is empty, and goes on at its place', async () => {
    const key = newKey()
    const text = Buffer.from('what comes then')
    await kept.log.insert([{ ...key, offset: 0, data: Buffer.alloc(0) }])
    await kept.log.insert([{ ...key, offset: 0, data: text }])
    expect((await all(key)).equals(text)).toBe(true)
    const documents = kept.client.db().collection<{ _id: string; n: number; d: Buffer }>('output_20261121')
    const _id = (await documents.findOne({ _id: { $regex: `^${key.dispatch}` } }))?._id ?? ''
    await documents.updateOne({ _id }, { $set: { n: 0, d: Buffer.alloc(0) } })
    await kept.log.insert([{ ...key, offset: 0, data: text }])
    expect((await all(key)).equals(text)).toBe(true)
  })

  it('gives what a host did not deflate as it said as a remark of that length, merged or not', async () => {
    const key = newKey()
    const lie = { data: Buffer.from('no deflate'), inflatedBytes: 30 }
    await kept.log.insert([
      { ...key, offset: 0, ...lie },
      { ...key, offset: 30, data: Buffer.from('and then') },
    ])
    const shown = '[sent by its host in a form thand then'
    expect((await all(key)).toString()).toBe(shown)
    await kept.log.insert([{ ...key, offset: 0, data: lie.data, inflatedBytes: 38 }])
    expect((await all(key)).toString()).toBe(shown)
    await kept.log.merge(key, 38)
    expect((await all(key)).toString()).toBe(shown)
  })

  it('says where a gap begins, and does not believe a hint that it cannot find', async () => {
    const key = newKey()
    const piece = (offset: number) => ({ ...key, offset, data: Buffer.alloc(100, 'x') })
    await kept.log.insert([piece(0), piece(100), piece(300)])
    expect(await kept.log.contiguousEnd(key, 0)).toBe(200)
    expect(await kept.log.contiguousEnd(key, 200)).toBe(200)
    expect(await kept.log.contiguousEnd(key, 5_000_000)).toBe(200)
    expect((await all(key)).length).toBe(200)
  })

  it('merges small pieces into few documents, and no reader misses a byte meanwhile', async () => {
    const key = newKey()
    const bytes = randomBytes(1_300_000)
    const chunks = []
    for (let offset = 0; offset < bytes.length; offset += 1_000)
      chunks.push({ ...key, offset, data: bytes.subarray(offset, offset + 1_000) })
    await kept.log.insert(chunks)
    let merged = false
    const merging = kept.log.merge(key, bytes.length).finally(() => {
      merged = true
    })
    let reads = 0
    do {
      expect((await all(key)).equals(bytes)).toBe(true)
      reads++
    } while (!merged)
    await merging
    expect(reads).toBeGreaterThan(0)
    const documents = kept.client.db().collection<{ _id: string }>('output_20261121')
    const ids = (await documents.find({}, { projection: { _id: 1 } }).toArray()).map(
      (document) => document._id,
    )
    expect(ids.filter((id) => id.startsWith(key.dispatch)).length).toBeLessThanOrEqual(
      Math.ceil(bytes.length / 65_000) + 2,
    )
    expect((await all(key)).equals(bytes)).toBe(true)
    await kept.log.insert(chunks.slice(5, 9))
    expect((await all(key)).equals(bytes)).toBe(true)
    expect(await kept.log.contiguousEnd(key, 0)).toBe(bytes.length)
  })

  it('keeps streams and tasks apart', async () => {
    const key = newKey()
    const other = { ...key, stream: 'stderr' as const }
    await kept.log.insert([
      { ...key, offset: 0, data: Buffer.from('out') },
      { ...other, offset: 0, data: Buffer.from('err') },
    ])
    expect([(await all(key)).toString(), (await all(newKey())).length]).toEqual(['out', 0])
    const pieces: Buffer[] = []
    for await (const part of kept.log.read(other, 0)) pieces.push(part)
    expect(Buffer.concat(pieces).toString()).toBe('err')
  })

  it('finds a stream without looking through the others of its day', async () => {
    const day = '20260101'
    const streams = Array.from({ length: 2_000 }, () => ({ ...newKey(), day }))
    for (let at = 0; at < streams.length; at += 500)
      await kept.log.insert(
        streams.slice(at, at + 500).map((key) => ({ ...key, offset: 0, data: Buffer.from(key.dispatch) })),
      )
    const store = new pg.Client({ connectionString: embedded.urls.postgres.replace(/[^/]*$/, 'ferretdb') })
    await store.connect()
    const documentsSeen = async () => {
      await store.query('select pg_stat_clear_snapshot()')
      const { rows } = await store.query<{ seen: string }>(
        `select sum(seq_tup_read) as seen from pg_stat_user_tables where relname like 'output\\_%'`,
      )
      return Number(rows[0]?.seen)
    }
    await pause(2_000)
    const before = await documentsSeen()
    for (const key of streams.slice(0, 20)) expect(String(await all(key))).toBe(key.dispatch)
    // What a backend has counted it tells a moment later.
    await pause(2_000)
    const seen = (await documentsSeen()) - before
    await store.end()
    // PostgreSQL may look through a collection whose size it does not know yet; not for each of twenty streams.
    expect(seen).toBeLessThan(5 * streams.length)
  })

  it('goes on where the server was killed when it had made an index and not yet said so', async () => {
    const day = '20991231'
    const collection = kept.client.db().collection(`output_${day}`)
    await collection.insertOne({ k: 'made by hand' })
    // FerretDB's own database on the same server: what is there and unknown to it is what a kill leaves.
    const store = new pg.Client({ connectionString: embedded.urls.postgres.replace(/[^/]*$/, 'ferretdb') })
    await store.connect()
    const { rows } = await store.query<{ schema: string; name: string }>(
      `select schemaname as schema, tablename as name from pg_tables where tablename like 'output\\_%'`,
    )
    for (const { schema, name } of rows)
      await store.query(
        `create index if not exists "${name}_k___b473697a_idx" on "${schema}"."${name}" ((_jsonb->'k'))`,
      )
    await store.end()
    await expect(collection.createIndex({ k: 1 })).rejects.toThrow('already exists')
    const key = { ...newKey(), day }
    await kept.log.insert([{ ...key, offset: 0, data: Buffer.from('all the same') }])
    expect(String(await all(key))).toBe('all the same')
  })
})
