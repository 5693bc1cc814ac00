/** The embedded servers, really started: served, restarted on their ports after a kill, their data kept. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { Client } from 'pg'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded.js'

let data: string
let embedded: Embedded
let mongo: MongoClient | undefined

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'drover-embedded-'))
  embedded = await startEmbedded({ data, prefix: 'DROVER_TEST_', fsync: false })
  await embedded.startObjectStore()
})

afterAll(async () => {
  await mongo?.close()
  await embedded?.close()
  rmSync(data, { recursive: true, force: true })
})

async function query(text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: embedded.urls.postgres })
  await client.connect()
  try {
    return (await client.query(text)).rows as unknown[]
  } finally {
    await client.end()
  }
}

describe('the embedded servers', () => {
  it('refuse a second stack on the same data', async () => {
    await expect(startEmbedded({ data, prefix: 'DROVER_TEST_' })).rejects.toThrow(/runs on .* already/)
  })

  it('come back on the same ports with their data when they are killed', async () => {
    await query('create table kept (n int); insert into kept values (7)')
    mongo = new MongoClient(embedded.urls.mongo)
    await mongo.db().collection<{ _id: string }>('kept').insertOne({ _id: 'one' })
    for (const name of ['postgres', 'temporal', 'mongo', 'minio']) {
      const child = embedded.supervisor.child(name)
      const pid = child.pid
      child.kill('SIGKILL')
      while (child.pid === pid || child.state !== 'running')
        await new Promise((resolve) => setTimeout(resolve, 20))
      await child.waitReady()
    }
    await expect(query('select n from kept')).resolves.toEqual([{ n: 7 }])
    // FerretDB's connections to the killed Postgres are replaced at their next use.
    await expect(mongo.db().collection<{ _id: string }>('kept').findOne({ _id: 'one' })).resolves.toEqual({
      _id: 'one',
    })
  })

  it('come back when what the killed server left is frozen', async () => {
    const client = new Client({ connectionString: embedded.urls.postgres })
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    process.kill(rows[0]?.pid ?? 0, 'SIGSTOP')
    const child = embedded.supervisor.child('postgres')
    const { pid } = child
    child.kill('SIGKILL')
    while (child.pid === pid || child.state !== 'running')
      await new Promise((resolve) => setTimeout(resolve, 20))
    const second = child.pid
    await child.waitReady()
    expect(child.pid).toBe(second)
    await client.end().catch(() => undefined)
  })

  it('keep their passwords out of other users’ sight', async () => {
    const commands = execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' })
    expect(commands).not.toContain(new URL(embedded.urls.postgres).password)
    expect(commands).not.toContain(new URL(embedded.urls.s3).password)
  })
})
