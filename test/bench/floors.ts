/** What the pieces of a launch cost by themselves: what each layer of it is to be held against. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { type Bench, type Group, onPlatform, percentileRows } from './bench'
import { measureCeiling } from './ceiling/measure'

const WARM_UP = 10
const ROUNDS = 200
const PAGE = Buffer.alloc(4_096, 'x')
const SECONDS = 10

export const floors: Group = {
  name: 'floors',
  about:
    'what a flush, a process, a statement, a commit and the smallest Temporal run take by themselves (1 min)',
  run: (bench) =>
    onPlatform(bench, { agents: 0 }, async (platform) => {
      await flush(bench, platform)
      await times(bench, 'a shell started and ended', async () => {
        await once(spawn('/bin/sh', ['-c', ':'], { stdio: 'ignore' }), 'exit')
      })
      await statements(bench, platform)
      bench.row({
        name: 'smallest Temporal run (one activity), one client, mean',
        unit: 'ms',
        hosts: 'none',
        n: 1,
        value: 1_000 / (await measureCeiling(platform, { clients: 1, seconds: SECONDS })),
      })
    }),
}

async function times(bench: Bench, name: string, work: () => Promise<unknown>): Promise<void> {
  const samples: number[] = []
  for (let n = -WARM_UP; n < ROUNDS; n++) {
    const from = performance.now()
    await work()
    if (n >= 0) samples.push(performance.now() - from)
  }
  percentileRows(bench, { name, unit: 'ms', hosts: 'none', samples }, [{ share: 0.5 }, { share: 0.99 }])
}

async function flush(bench: Bench, platform: Platform): Promise<void> {
  const file = await open(path.join(platform.data, 'floor'), 'a')
  try {
    await times(bench, '4 KiB written and flushed', async () => {
      await file.write(PAGE)
      await file.sync()
    })
  } finally {
    await file.close()
  }
}

async function statements(bench: Bench, platform: Platform): Promise<void> {
  const client = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
  await client.connect()
  try {
    const ask = (name: string, text: string) => () => client.query({ name, text, values: ['x'] })
    await times(bench, 'a prepared statement that does nothing', ask('nothing', 'select $1::text'))
    const write = ask('write', `select pg_logical_emit_message(true, 'bench', $1::text)`)
    await times(bench, 'a statement that writes and is committed', write)
  } finally {
    await client.end()
  }
}
