/** Evidence of a verdict that is not clean: logs, ledger, effects and the fault log, kept where the next run does not remove them. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { historyToJSON } from '@temporalio/common/lib/proto-utils'
import pg from 'pg'
import type { EffectFiles } from './effects'
import type { FaultLog } from './fault-log'
import type { Finding } from './judge'
import type { Lab } from './lab'
import type { Load } from './load'

// A few runs tell what is wrong; a thousand would only take longer to read.
const MOST_RUNS = 20

// Every table that has a column execution_id, read whole for a run.
const TABLES = ['step_execution', 'host_result', 'host_attempt', 'event', 'operation', 'shard']

export async function keepEvidence(
  folder: string,
  parts: { lab: Lab; effects: EffectFiles; log: FaultLog; load: Load; findings: Finding[] },
): Promise<void> {
  const { lab, effects, log, load, findings } = parts
  mkdirSync(folder, { recursive: true })
  const write = (name: string, value: unknown) =>
    writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
  write('findings.json', findings)
  write('runs.json', load.runs)
  write('requests.json', load.failures)
  writeFileSync(path.join(folder, 'faults.log'), `${log.between(0, Date.now()).join('\n')}\n`)
  cpSync(effects.folder, path.join(folder, 'effects'), { recursive: true })
  cpSync(path.join(lab.platform.data, 'logs'), path.join(folder, 'logs'), { recursive: true })
  for (const host of lab.hostNames) {
    const state = lab.stateOf(host)
    // Fifos and files that go meanwhile are no evidence.
    try {
      cpSync(path.join(state, 'spool'), path.join(folder, 'spool', host), {
        recursive: true,
        filter: (source) => !source.endsWith('/pipes') && !source.includes('/pipes/'),
      })
    } catch (error) {
      write(`spool-${host}.json`, (error as Error).message)
    }
  }
  const ids = [...new Set(findings.flatMap(({ executionId }) => executionId ?? []))].slice(0, MOST_RUNS)
  const workflows = findings.flatMap(({ workflowId }) => workflowId ?? []).slice(0, MOST_RUNS)
  await keepHistories(folder, lab, [...ids.map((id) => `execution/default/${id}`), ...workflows])
  write('ledger.json', await readLedger(lab.platform.env['DROVER_POSTGRES_URL'] ?? '', ids).catch(String))
}

/** What the engine has of each run: why one waits is in its history alone. */
async function keepHistories(folder: string, lab: Lab, workflowIds: readonly string[]): Promise<void> {
  const connection = await Connection.connect({
    address: lab.platform.env['DROVER_TEMPORAL_ADDRESS'] ?? '',
  }).catch(() => undefined)
  if (!connection) return
  const { workflow } = new Client({ connection })
  for (const id of workflowIds) {
    const handle = workflow.getHandle(id)
    const history = await handle
      .fetchHistory()
      .then(historyToJSON)
      .catch((error: unknown) => String(error))
    writeFileSync(path.join(folder, `history-${id.split('/').at(-1)}.json`), `${history}\n`)
  }
  await connection.close()
}

async function readLedger(url: string, ids: string[]): Promise<Record<string, unknown[]>> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 20_000,
  })
  await client.connect()
  try {
    const ledger: Record<string, unknown[]> = {
      execution: (await client.query('select * from execution where id = any($1)', [ids])).rows,
      host: (await client.query('select * from host')).rows,
      gateway: (await client.query('select * from gateway')).rows,
      agent_session: (await client.query('select * from agent_session')).rows,
    }
    for (const table of TABLES)
      ledger[table] = (await client.query(`select * from ${table} where execution_id = any($1)`, [ids])).rows
    return ledger
  } finally {
    await client.end()
  }
}
