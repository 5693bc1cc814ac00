/** SQL steps through the whole platform: three hosts, two databases, a cancel in mid-statement, a host without the runner. */
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { type MariaDb, mariadbMissing, startMariaDb } from '../helpers/mariadb'
import { connected, startTestPlatform } from '../helpers/platform'
import { RealAgent } from '../helpers/real-agent'
import { record } from '../helpers/record'

describe('an SQL step', () => {
  let platform: Platform
  let api: TestApi
  let admin: Client
  let port: number
  const password = `canary ${randomUUID()}`

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 3 })
    api = new TestApi(platform)
    const url = new URL(platform.env['DROVER_POSTGRES_URL'] ?? '')
    admin = new Client({ connectionString: url.href })
    await admin.connect()
    await admin.query(
      `create role ann login; create role bob login password '${password}';
         grant connect on database drover to ann, bob; grant usage on schema public to ann;
         create table public.seen (host text); grant all on public.seen to ann`,
    )
    const rules = join(platform.data, 'postgres/cluster/pg_hba.conf')
    const own = 'host all ann 127.0.0.1/32 trust\nhost all bob 127.0.0.1/32 scram-sha-256\n'
    writeFileSync(rules, own + readFileSync(rules, 'utf8'))
    await admin.query('select pg_reload_conf()')
    port = Number(url.port)
    await account('local', { engine: 'postgresql', port, database: 'drover', user: 'ann' })
  }, 120_000)

  afterAll(async () => {
    await admin?.end()
    await platform?.close()
  }, 60_000)

  async function account(name: string, body: object): Promise<void> {
    const put = await api.insist('PUT', `/db-accounts/${name}`, body)
    if (put.status !== 200) throw new Error(JSON.stringify(put.body))
  }

  async function secret(name: string, value: string): Promise<void> {
    const made = await api.insist('POST', '/secrets', { name, value })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  }

  const running = async (like: string) =>
    (
      await admin.query(
        `select from pg_stat_activity where state = 'active' and query like $1 and usename = 'ann'`,
        [like],
      )
    ).rowCount

  it('runs on every host of a job, between steps of other kinds, with its rows as output', async () => {
    const steps = [
      { name: 'before', language: 'sh', script: 'echo before' },
      {
        type: 'sql',
        name: 'count',
        dbAccount: 'local',
        sql: `insert into seen values ('x'); select current_user as who, 1 as n;`,
        format: 'csv',
        when: 'steps.before.failed == 0',
      },
      { name: 'after', language: 'sh', script: 'echo after' },
    ]
    expect((await api.insist('PUT', '/jobs/check-db', { steps })).status).toBe(200)
    expect((await api.insist('PUT', '/jobs/check-db/plans/all', {})).status).toBe(200)
    const id = await api.launch({ target: '*', job: { name: 'check-db', plan: 'all' } })
    const ended = await api.ended(id)
    await record(platform, id, 'sql')
    expect(ended).toMatchObject({
      state: 'succeeded',
      steps: [{}, { type: 'sql', counts: { succeeded: 3 } }, {}],
    })
    for (const host of await api.hosts(id, 1)) {
      expect((await api.output(id, host.hostId, 'stdout', 1)).toString()).toBe('who,n\nann,1\n')
      expect((await api.output(id, host.hostId, 'stderr', 1)).toString()).toContain('statement 1: INSERT 0 1')
    }
    expect((await admin.query('select count(*)::int as n from seen')).rows[0].n).toBe(3)
    // Named by the job and its plan, it stays.
    const refused = await api.insist<{ code: string; detail: string }>('DELETE', '/db-accounts/local')
    expect(refused).toMatchObject({ status: 409, body: { code: 'db_account_in_use' } })
    expect(refused.body.detail).toContain('check-db, check-db/all')
  })

  it('takes a step back, under a database account that stays as long as it may be needed', async () => {
    await account('undoing', { engine: 'postgresql', port, database: 'drover', user: 'ann' })
    const steps = [
      {
        name: 'insert',
        language: 'sh',
        script: 'true',
        undo: { type: 'sql', dbAccount: 'undoing', sql: `insert into seen values ('undone')` },
      },
    ]
    expect((await api.insist('PUT', '/jobs/undo-db', { steps })).status).toBe(200)
    expect(await api.insist('DELETE', '/db-accounts/undoing')).toMatchObject({
      status: 409,
      body: { code: 'db_account_in_use', detail: expect.stringContaining('undo-db') },
    })
    const id = await api.launch({ target: '*', plan: { name: 'undo-db', steps } })
    await api.ended(id)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    const view = await api.until(id, (now) => now.reason === 'undone')
    expect(view.steps[1]).toMatchObject({ type: 'sql', undoes: 0, counts: { succeeded: 3 } })
    const rows = await admin.query(`select count(*)::int as n from seen where host = 'undone'`)
    expect(rows.rows[0].n).toBe(3)
  })

  it('fails on a host with the code of the statement that failed, and is retried like a script', async () => {
    const step = {
      dbAccount: 'local',
      sql: 'select 1;\nselect missing;',
      retry: { attempts: 1, backoffMs: 0 },
    }
    const id = await api.launch({ target: 'name:rack-a-1', sql: step })
    expect(await api.ended(id)).toMatchObject({ state: 'failed' })
    const [host] = await api.hosts(id)
    expect(host).toMatchObject({ state: 'failed', exitCode: 1, attempt: 2 })
    const stderr = (await api.output(id, host?.hostId ?? '', 'stderr')).toString()
    expect(stderr).toContain('statement 2, line 2, column 8: ERROR 42703')
  })

  it('is cancelled on the server in the middle of a statement, on all hosts', async () => {
    const id = await api.launch({
      target: '*',
      sql: { dbAccount: 'local', sql: 'select pg_sleep(300) as "mid"' },
    })
    for (const until = Date.now() + 20_000; (await running('%mid%')) !== 3; await pause(50))
      if (Date.now() > until) throw new Error(`it did not begin: ${JSON.stringify(await api.hosts(id))}`)
    await api.operate(id, { kind: 'cancel' })
    expect(await api.ended(id, 30_000)).toMatchObject({
      state: 'cancelled',
      steps: [{ counts: { cancelled: 3 } }],
    })
    expect(await running('%mid%')).toBe(0)
  })

  it('is ended on the server at its time limit', async () => {
    const step = { dbAccount: 'local', sql: 'select pg_sleep(300) as "late"', timeoutMs: 1_000 }
    const id = await api.launch({ target: 'name:rack-a-1', sql: step })
    expect(await api.ended(id, 30_000)).toMatchObject({ steps: [{ counts: { timed_out: 1 } }] })
    expect(await running('%late%')).toBe(0)
  })

  it('is previewed with where it signs in, does the same again, and keeps the account that it was launched with', async () => {
    await secret('db-password', 'any')
    await account('other', { engine: 'postgresql', port: 1, user: 'ann', secret: 'db-password' })
    const request = { target: 'name:rack-a-1', sql: { dbAccount: 'other', sql: 'select 1', database: 'x' } }
    const preview = await api.insist<{ digest: string; steps: unknown[] }>(
      'POST',
      '/executions/preview',
      request,
    )
    expect(preview.body.steps).toMatchObject([
      {
        type: 'sql',
        language: 'sql',
        db: { name: 'other', host: '127.0.0.1', port: 1, database: 'x', secret: 'db-password' },
        secrets: { PASSWORD: 'db-password@1' },
      },
    ])
    await account('other', { engine: 'postgresql', port: 2, user: 'ann', revision: 1 })
    const changed = await api.insist('POST', '/executions', { ...request, digest: preview.body.digest })
    expect(changed).toMatchObject({ status: 409, body: { code: 'launch_changed' } })
    const id = await api.launch(request)
    await api.ended(id)
    const again = await api.insist<{ plan: { steps: unknown[] } }>('GET', `/executions/${id}/launch`)
    expect(again.body.plan.steps).toMatchObject([
      { type: 'sql', sql: 'select 1', dbAccount: 'other', database: 'x' },
    ])
    expect(again.body.plan.steps[0]).not.toHaveProperty('db')
    const twice = await api.launch({ ...again.body, target: 'name:rack-a-1' })
    expect(await api.ended(twice)).toMatchObject({ state: 'failed', steps: [{ type: 'sql' }] })
    const script = await api.insist('GET', `/executions/${id}/steps/0/script`)
    expect(script.body).toMatchObject({ language: 'sql', content: 'select 1' })
    expect((await api.insist('DELETE', '/db-accounts/other')).status).toBe(200)
    expect((await api.insist('POST', '/executions', request)).body).toMatchObject({
      code: 'db_account_unknown',
    })
  })

  it('signs in with the secret of its account, as it was at the launch, and shows it nowhere', async () => {
    // The line break that an editor leaves is no part of the password.
    await secret('bob-password', `${password}\n`)
    const bob = { engine: 'postgresql', port, database: 'drover', user: 'bob', secret: 'bob-password' }
    await account('bob', bob)
    const steps = [
      { name: 'before', language: 'sh', script: 'echo before' },
      {
        type: 'sql',
        name: 'who',
        dbAccount: 'bob',
        sql: `select current_user as who, '${password}' as text`,
      },
    ]
    expect((await api.insist('PUT', '/jobs/by-secret', { steps })).status).toBe(200)
    expect((await api.insist('PUT', '/jobs/by-secret/plans/all', {})).status).toBe(200)
    const job = { name: 'by-secret', plan: 'all' }
    const id = await api.launch({ target: '*', job })
    expect(await api.ended(id)).toMatchObject({
      state: 'succeeded',
      steps: [{}, { counts: { succeeded: 3 } }],
    })
    for (const { hostId } of await api.hosts(id, 1)) {
      // The value as it is kept, its line break too.
      const stars = '*'.repeat(password.length + 1)
      expect((await api.output(id, hostId, 'stdout', 1)).toString()).toBe(`who\ttext\nbob\t${stars}`)
      expect((await api.output(id, hostId, 'stderr', 1)).toString()).not.toContain(password)
    }
    const refused = await api.insist<{ code: string; detail: string }>('DELETE', '/secrets/bob-password')
    expect(refused).toMatchObject({ status: 409, body: { code: 'secret_in_use' } })
    expect(refused.body.detail).toContain('database account bob')
    // A launch gets the value of now, and a host that cannot be given any does not try without.
    await api.insist('POST', '/secrets/bob-password/versions', { value: 'not it' })
    const wrong = await api.launch({ target: 'name:rack-a-1', job })
    expect(await api.ended(wrong)).toMatchObject({ state: 'failed' })
    const [host] = await api.hosts(wrong, 1)
    expect((await api.output(wrong, host?.hostId ?? '', 'stderr', 1)).toString()).toContain('28P01')
    for (const version of [1, 2])
      await api.insist('POST', `/secrets/bob-password/versions/${version}/disable`, {})
    const none = await api.insist('POST', '/executions', { target: 'name:rack-a-1', job })
    expect(none).toMatchObject({ status: 409, body: { code: 'secret_version_refused' } })
  })

  it('uses a script of the library that is SQL, and no other kind of step does', async () => {
    const put = await api.insist('POST', '/scripts', {
      name: 'tidy',
      language: 'sql',
      content: 'select 7 as n',
      publish: true,
    })
    expect(put.status).toBe(201)
    const id = await api.launch({ target: 'name:rack-a-1', sql: { dbAccount: 'local', uses: 'tidy' } })
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded', steps: [{ uses: 'tidy@1' }] })
    const wrong = await api.insist('POST', '/executions', { target: '*', script: { uses: 'tidy' } })
    expect(wrong).toMatchObject({ status: 400, body: { code: 'plan_invalid' } })
  })

  it('is rejected by a host whose agent brings no runner, which says what to install', async () => {
    const { body } = await api.insist<{ token: string }>('POST', '/join-tokens', { uses: 1, ttlMs: 60_000 })
    const gateways = platform.env['DROVER_GATEWAYS'] ?? ''
    const agent = new RealAgent({ name: 'bare', gateways, token: body.token, program: 'agent-alone.cjs' })
    try {
      agent.start()
      await connected(platform, 4)
      const id = await api.launch({ target: 'name:bare', sql: { dbAccount: 'local', sql: 'select 1' } })
      expect(await api.ended(id)).toMatchObject({ state: 'failed' })
      expect(await api.hosts(id)).toMatchObject([
        {
          state: 'rejected',
          started: 'no',
          reason: 'sql_runner_missing',
          detail: expect.stringContaining('install') as string,
        },
      ])
    } finally {
      await agent.kill()
    }
  })

  const withMariaDb = mariadbMissing ? it.skip : it

  withMariaDb('runs on MariaDB too, by the account of its own', async () => {
    await using server: MariaDb = await startMariaDb()
    await account('maria', { engine: 'mysql', port: server.port, user: 'root', database: 'mysql' })
    const sql =
      'create table seen (id int primary key auto_increment); insert into seen values (); select count(*) as n from seen;'
    const id = await api.launch({ target: 'name:rack-a-1', sql: { dbAccount: 'maria', sql } })
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded' })
    const [host] = await api.hosts(id)
    expect((await api.output(id, host?.hostId ?? '')).toString()).toBe('n\n1\n')
    await secret('carl-password', password)
    await account('carl', { engine: 'mysql', port: server.port, user: 'carl', secret: 'carl-password' })
    const grant = { dbAccount: 'maria', sql: `create user carl@'127.0.0.1' identified by '${password}'` }
    const granted = await api.launch({ target: 'name:rack-a-1', sql: grant })
    expect(await api.ended(granted)).toMatchObject({ state: 'succeeded' })
    const who = { dbAccount: 'carl', sql: 'select current_user() as who' }
    const own = await api.launch({ target: 'name:rack-a-1', sql: who })
    expect(await api.ended(own)).toMatchObject({ state: 'succeeded' })
    const [there] = await api.hosts(own)
    expect((await api.output(own, there?.hostId ?? '')).toString()).toBe('who\ncarl@127.0.0.1\n')
  })
})
