/** Whoever has taken over a gateway: its database login and its own keys, used for what no gateway does. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { gatewaySecret, keyOfSecret } from '../../base/secret-key'
import {
  dispatchId,
  DispatchOrder,
  gatewayProof,
  joinProof,
  renewalProof,
  type SignedOrder,
  sha256,
  signOrder,
  StopOrder,
  TaskSpec,
  TaskState,
} from '../../proto/index'
import { databaseUrl, gatewayUrl } from '../../stack/embedded/postgres'
import type { Platform } from '../../stack/platform/platform'
import { masterKeyFile } from '../../stack/platform/roles'
import {
  type CertificateWish,
  findCertificateAnswers,
  insertCertificateRequest,
} from '../../store/postgres/certificates'
import { createPool } from '../../store/postgres/pool'
import type { ScopeId } from '../../domain/id'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { connected, startTestPlatform } from '../helpers/platform'
import { PlayedGateway } from '../helpers/played-gateway'
import { makeKeyPair } from '../helpers/raw-agent'
import { RealAgent } from '../helpers/real-agent'
import { eventually } from '../helpers/scene'

/** What the role `drover_gateway` may do with a table: columns, or all of them. docs/operations/database-roles.md has the reasons. */
interface Allowed {
  select?: string
  insert?: string
  update?: string
  delete?: true
}

const allowed: Record<string, Allowed | 'nothing'> = {
  agent_bundle: { select: 'scope_id version sha256' },
  agent_session: {
    select: 'all',
    insert: 'scope_id host_id gateway gateway_boot',
    update: 'gateway gateway_boot connected_at disconnected_at',
  },
  agent_upgrade: { select: 'scope_id host_id id version state expires_at signed_order signature key_id' },
  api_token: 'nothing',
  audit: 'nothing',
  certificate: { select: 'scope_id serial host_id fingerprint revoked_at' },
  certificate_request: {
    select: 'scope_id id host_id certificate refused refused_code answered_at',
    insert: 'scope_id id kind csr gateway name token_key current_certificate proof',
  },
  db_account: 'nothing',
  event: 'nothing',
  execution: {
    select:
      'scope_id id state reason output_day pause ending_step cancel_requested_at stop_order stop_signature stop_key_id expires_at ended_at',
  },
  gateway: {
    select: 'all',
    insert: 'scope_id name boot_id address',
    update: 'boot_id address started_at last_seen_at alive_since draining',
  },
  host: {
    select: 'all',
    update:
      'agent_version protocol journal_id journal_sequence boot_id machine_id clock_skew_ms conditions last_seen_at',
  },
  host_attempt: 'nothing',
  host_fact: { select: 'all', insert: 'all', update: 'value', delete: true },
  host_group: 'nothing',
  job: 'nothing',
  job_plan: 'nothing',
  job_plan_revision: 'nothing',
  job_definition: 'nothing',
  script: 'nothing',
  script_version: 'nothing',
  secret: 'nothing',
  secret_version: 'nothing',
  run_secret: 'nothing',
  host_group_member: 'nothing',
  host_label: 'nothing',
  host_value: 'nothing',
  host_result: {
    select: 'scope_id execution_id step_execution_id host_id attempt state journal_id shard_id',
  },
  idempotency: 'nothing',
  join_token: 'nothing',
  kysely_migration: { select: 'all' },
  kysely_migration_lock: 'nothing',
  ledger_beat: { select: 'all' },
  open_shard: { select: 'all' },
  operation: 'nothing',
  plan_ir: 'nothing',
  platform_key: { select: 'scope_id id purpose public_part created_at retired_at ca_signature' },
  principal: 'nothing',
  recovered_task: { select: 'all' },
  recovery: { select: 'scope_id id tag at' },
  recovery_release: 'nothing',
  role_grant: 'nothing',
  run_value: 'nothing',
  scope: { select: 'all' },
  script_text: 'nothing',
  shard: 'nothing',
  step_execution: 'nothing',
  step_input: 'nothing',
  step_stop: { select: 'all' },
  step_stop_task: { select: 'all' },
}

/** Functions of ours that the role may call. */
const allowedFunctions = [
  'amend_attempts',
  'confirm_unknown',
  'host_state_rank',
  'keep_former_journal',
  'keep_unknown',
  'mark_dispatched',
  'may_still_run',
  'quarantine_host',
  'relayed_bundle',
  // By executions, and as gateways of before ask.
  'relayed_script',
  'relayed_script',
  'take_places',
  'write_absent',
  'write_host_news',
  'write_host_said',
  'write_upgrade_news',
]

const scopeId = '1' as ScopeId
const REFUSED = '42501'

describe('a stolen gateway', () => {
  let platform: Platform
  let api: TestApi
  let owner: Client
  let thief: Client
  let ca: string
  let address: string
  let url: string
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 2 })
    api = new TestApi(platform)
    const ownerUrl = platform.env['DROVER_POSTGRES_URL'] ?? ''
    url = gatewayUrl(ownerUrl, platform.data)
    owner = new Client({ connectionString: ownerUrl })
    thief = new Client({ connectionString: url })
    await Promise.all([owner.connect(), thief.connect()])
    ca = (await owner.query(`select public_part from platform_key where purpose = 'ca'`)).rows[0].public_part
    address = (await owner.query('select address from gateway')).rows[0].address
  }, 120_000)

  afterAll(async () => {
    await Promise.allSettled([owner?.end(), thief?.end()])
    await platform?.close()
    effects.remove()
  }, 60_000)

  /** undefined if the database let it through or refused it for another reason than the right; its rows are rolled back. */
  async function refusal(sql: string, params: unknown[] = []): Promise<string | undefined> {
    await thief.query('begin')
    try {
      await thief.query(sql, params)
      return undefined
    } catch (error) {
      return (error as { code?: string }).code === REFUSED ? REFUSED : undefined
    } finally {
      await thief.query('rollback')
    }
  }

  const isRefused = async (sql: string) => (await refusal(sql)) === REFUSED

  interface Relation {
    name: string
    partition: boolean
    view: boolean
    columns: string[]
  }

  async function relations(): Promise<Relation[]> {
    const { rows } = await owner.query<Relation>(
      `select c.relname as name, c.relispartition as partition, c.relkind = 'v' as view, array_agg(a.attname::text order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') group by 1, 2, 3 order by 1`,
    )
    return rows
  }

  /** Tried; where it fails for a reason that is found before the right is looked at, the catalogue says whether there is one. */
  async function may(verb: string, name: string, column: string, sql: string): Promise<boolean> {
    await thief.query('begin')
    try {
      await thief.query(sql)
      return true
    } catch (error) {
      if ((error as { code?: string }).code === REFUSED) return false
    } finally {
      await thief.query('rollback')
    }
    const { rows } = await thief.query('select has_column_privilege($1, $2, $3) as has', [name, column, verb])
    return rows[0].has as boolean
  }

  async function rightsOf({ name, columns, view }: Relation): Promise<Allowed | 'nothing'> {
    const can: Record<'select' | 'insert' | 'update', string[]> = { select: [], insert: [], update: [] }
    for (const column of columns) {
      const tries = {
        select: `select ${column} from ${name} limit 0`,
        insert: `insert into ${name} (${column}) values (default)`,
        update: `update ${name} set ${column} = default where false`,
      }
      for (const verb of ['select', 'insert', 'update'] as const)
        if (await may(verb, name, column, tries[verb])) can[verb].push(column)
    }
    const { rows } = await thief.query(`select has_table_privilege($1, 'delete') as has`, [name])
    const deletes = rows[0].has || !((await isRefused(`delete from ${name} where false`)) || view)
    const word = (list: string[]) => (list.length === columns.length ? 'all' : list.join(' '))
    const found: Allowed = {
      ...(can.select.length ? { select: word(can.select) } : {}),
      ...(can.insert.length ? { insert: word(can.insert) } : {}),
      ...(can.update.length ? { update: word(can.update) } : {}),
      ...(deletes ? { delete: true as const } : {}),
    }
    return Object.keys(found).length ? found : 'nothing'
  }

  const sorted = (rights: Allowed | 'nothing' | undefined) =>
    rights === undefined || rights === 'nothing'
      ? rights
      : Object.fromEntries(
          Object.entries(rights).map(([verb, words]) => [verb, String(words).split(' ').sort().join(' ')]),
        )

  describe('in the database', () => {
    it('can do with each table what was decided for it, and nothing else', async () => {
      const tables = (await relations()).filter((relation) => !relation.partition)
      const found = Object.fromEntries(
        await Promise.all(tables.map(async (table): Promise<[string, unknown]> => [table.name, table])),
      ) as Record<string, Relation>
      const rights: Record<string, unknown> = {}
      for (const [name, table] of Object.entries(found)) rights[name] = sorted(await rightsOf(table))
      const want = Object.fromEntries(Object.entries(allowed).map(([name, right]) => [name, sorted(right)]))
      expect(rights).toEqual(want)
    })

    it('reaches no partition past its table, and empties, locks or triggers nothing', async () => {
      const all = await relations()
      const through: string[] = []
      for (const relation of all.filter(({ partition }) => partition))
        if ((await rightsOf(relation)) !== 'nothing') through.push(relation.name)
      for (const { name } of all) {
        const { rows } = await thief.query(
          `select has_table_privilege($1, 'truncate') or has_table_privilege($1, 'trigger') or has_table_privilege($1, 'references') as has`,
          [name],
        )
        if (rows[0].has) through.push(name)
      }
      expect(all.some(({ partition }) => partition)).toBe(true)
      expect(through).toEqual([])
    })

    it('calls the functions that were decided on', async () => {
      const { rows } = await thief.query<{ name: string }>(
        `select proname as name from pg_proc where pronamespace = 'public'::regnamespace and has_function_privilege(oid, 'execute') order by 1`,
      )
      expect(rows.map((row) => row.name)).toEqual(allowedFunctions)
    })

    it('finds each function that acts with the owner’s rights closed to foreign names', async () => {
      const { rows } = await owner.query<{ name: string; config: string[] | null }>(
        `select proname as name, proconfig as config from pg_proc where pronamespace = 'public'::regnamespace and prosecdef`,
      )
      expect(rows.length).toBeGreaterThan(3)
      for (const { config } of rows) expect(config).toEqual(['search_path=pg_catalog, public, pg_temp'])
    })

    it.each([
      'create table public.mine (id int)',
      'create temp table mine (id int)',
      'create function public.mine() returns int language sql as $$ select 1 $$',
      'create schema mine',
      'create role mine',
      'set role drover',
      'alter role drover_gateway superuser',
      `select nextval('session_epoch')`,
      `select setval('session_epoch', 1)`,
      `select pg_read_file('postgresql.conf')`,
      `copy (select 1) to program 'true'`,
      `alter table host add column mine int`,
      `drop table audit`,
      'select sealed_value from secret_version',
      'select sealed_private from platform_key',
      // A key of its own, for which secrets would be sealed.
      `update certificate set public_key = 'mine'`,
      `insert into certificate (scope_id, serial, host_id, not_after, fingerprint, public_key) values (1, 's', 1, now(), 'f', 'mine')`,
      `update shard set secrets = '{}'`,
      `update open_shard set secrets = '{}'`,
      `grant select on audit to public`,
    ])('cannot: %s', async (sql) => {
      expect(await refusal(sql)).toBe(REFUSED)
    })

    it('cannot use the databases beside it', async () => {
      const other = new Client({ connectionString: databaseUrl(url, 'ferretdb') })
      await expect(other.connect()).rejects.toMatchObject({ code: REFUSED })
    })

    it('reads no script but of an open run that was ordered to run it', async () => {
      const launch = (text: string) =>
        api.launch({ target: 'name:rack-a-1', plan: { name: 'read', steps: [step(text)] } })
      const read = async (execution: string, text: string) => {
        const hash = createHash('sha256').update(text).digest()
        const kept = await owner.query('select from script_text where sha256 = $1', [hash])
        expect(kept.rowCount).toBe(1)
        const asked = 'select convert_from(relayed_script(1, array[$1::bigint], $2), $3) as text'
        const { rows } = await thief.query<{ text: string | null }>(asked, [execution, hash, 'UTF8'])
        return rows[0]?.text
      }
      const over = `echo ${randomBytes(8).toString('hex')}`
      const ended = await launch(over)
      await api.ended(ended)
      expect(await read(ended, over)).toBeNull()

      const open = `sleep 60 # ${randomBytes(8).toString('hex')}`
      const running = await launch(open)
      await eventually('the text of an open run', async () => (await read(running, open)) ?? undefined)
      expect(await read(ended, open)).toBeNull()
      expect(await read(running, over)).toBeNull()
      await api.operate(running, { kind: 'cancel' })
      await api.ended(running)
    })
  })

  const step = (script: string) => ({ name: 'only', language: 'sh', script })

  /** Leaves a request with the gateways' own login and waits for a worker's word. */
  async function ask(wish: CertificateWish): Promise<string> {
    const id = await insertCertificateRequest(thief, scopeId, wish)
    for (const until = Date.now() + 10_000; Date.now() < until; await pause(50)) {
      const [answer] = await findCertificateAnswers(thief, scopeId, [id])
      if (answer) return answer.refusedCode ?? 'signed'
    }
    throw new Error('no worker answered')
  }

  describe('asking for certificates', () => {
    let secret: string
    let csr: Buffer
    const count = async () =>
      (await owner.query('select (select count(*) from certificate) as c, (select count(*) from host) as h'))
        .rows[0]

    beforeAll(async () => {
      const { body } = await api.insist<{ token: string }>('POST', '/join-tokens', {
        labels: { env: 'prod' },
        uses: 5,
        ttlMs: 600_000,
      })
      secret = body.token.split('.')[0] ?? ''
      csr = (await makeKeyPair()).csr
    })

    const proofBy = (key: string, bytes: Buffer) =>
      sign(null, bytes, keyOfSecret(key, 'drover join token').privateKey)
    const keyOf = (key: string) => keyOfSecret(key, 'drover join token').publicKey

    it('gets none for a host that joins by a token it has not', async () => {
      const before = await count()
      const mine = `drj_${randomBytes(32).toString('base64url')}`
      const wish = { kind: 'join', csr, name: 'forged' } as const
      const bytes = joinProof('forged', csr)
      // A token of its own making; a real token's name with a proof of its own; and none at all.
      expect(await ask({ ...wish, tokenKey: keyOf(mine), proof: proofBy(mine, bytes) })).toBe(
        'join_token_invalid',
      )
      expect(await ask({ ...wish, tokenKey: keyOf(secret), proof: proofBy(mine, bytes) })).toBe(
        'join_token_invalid',
      )
      expect(await ask({ ...wish, tokenKey: keyOf(secret), proof: Buffer.alloc(0) })).toBe(
        'join_token_invalid',
      )
      expect(await ask({ ...wish, tokenKey: Buffer.alloc(0), proof: Buffer.alloc(0) })).toBe(
        'join_token_invalid',
      )
      expect(await count()).toEqual(before)
    })

    it('gets none for its own key by the proof of a join that it relays, and no second host', async () => {
      const seen = { tokenKey: keyOf(secret), proof: proofBy(secret, joinProof('relayed', csr)) }
      expect(await ask({ kind: 'join', csr, name: 'relayed', ...seen })).toBe('signed')
      const before = await count()
      const mine = (await makeKeyPair()).csr
      expect(await ask({ kind: 'join', csr: mine, name: 'relayed', ...seen })).toBe('join_token_invalid')
      expect(await ask({ kind: 'join', csr, name: 'renamed', ...seen })).toBe('join_token_invalid')
      expect(await count()).toEqual(before)
      const { rows } = await owner.query(`select id from host where name = 'relayed'`)
      await api.insist('POST', `/hosts/${rows[0].id}/revoke`, {})
      expect(await ask({ kind: 'join', csr, name: 'relayed', ...seen })).toBe('name_taken')
      expect((await count()).h).toEqual(before.h)
    })

    it('gets none for a host by renewing in its name', async () => {
      const before = await count()
      const der = Buffer.from(
        readFileSync(`${platform.agentState('rack-a-1')}/identity/cert.pem`, 'utf8').replaceAll(
          /-----.*-----|\s/g,
          '',
        ),
        'base64',
      )
      const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      const wish = { kind: 'renewal', csr, currentCertificate: der } as const
      expect(await ask({ ...wish, proof: sign('sha256', renewalProof(csr), mine) })).toBe('certificate_wrong')
      expect(await ask({ ...wish, proof: Buffer.alloc(0) })).toBe('certificate_missing')
      const caDer = Buffer.from(ca.replaceAll(/-----.*-----|\s/g, ''), 'base64')
      expect(
        await ask({ ...wish, currentCertificate: caDer, proof: sign('sha256', renewalProof(csr), mine) }),
      ).toBe('certificate_revoked')
      expect(await count()).toEqual(before)
    })

    it('gets none for another gateway', async () => {
      const before = await count()
      const master = readFileSync(masterKeyFile(platform.data), 'utf8')
      const own = keyOfSecret(gatewaySecret(master, 'gateway-1'), 'drover gateway').privateKey
      const as = (name: string, proven = name) =>
        ask({ kind: 'gateway', csr, gateway: name, proof: sign(null, gatewayProof(proven, csr), own) })
      expect(await as('gateway-2')).toBe('certificate_wrong')
      expect(await as('gateway-2', 'gateway-1')).toBe('certificate_wrong')
      expect(await count()).toEqual(before)
      expect(await as('gateway-1')).toBe('signed')
    })

    it('gets none for its own name once that was revoked', async () => {
      const master = readFileSync(masterKeyFile(platform.data), 'utf8')
      await owner.query(
        // As docs/operations/database-roles.md says.
        `insert into gateway (scope_id, name, boot_id, address, last_seen_at, revoked_at) select min(id), 'taken-over', gen_random_uuid(), '-', 'epoch', now() from scope on conflict (scope_id, name) do update set revoked_at = now()`,
      )
      const own = keyOfSecret(gatewaySecret(master, 'taken-over'), 'drover gateway').privateKey
      const proof = sign(null, gatewayProof('taken-over', csr), own)
      expect(await ask({ kind: 'gateway', csr, gateway: 'taken-over', proof })).toBe('certificate_revoked')
    })

    it('cannot say whom a request is for, nor answer one', async () => {
      expect(
        await refusal(
          `insert into certificate_request (scope_id, id, kind, csr, proof, host_id) values (1, gen_random_uuid(), 'join', '', '', 1)`,
        ),
      ).toBe(REFUSED)
      expect(await refusal('update certificate_request set answered_at = null')).toBe(REFUSED)
    })
  })

  describe('forging orders', () => {
    it('makes no worker sign: no run, no step, no stop, no operation of its own', async () => {
      const id = await api.launch({
        target: 'name:rack-a-1',
        plan: { name: 'long', steps: [step('sleep 2')] },
      })
      for (const sql of [
        `insert into execution (scope_id, name) values (1, 'forged')`,
        `update execution set stop_requested_at = now() where id = ${id}`,
        `update execution set cancel_requested_at = now() where id = ${id}`,
        `update execution set stop_order = 'x' where id = ${id}`,
        `update execution set plan_hash = 'x', state = 'running', run_id = 'mine' where id = ${id}`,
        `insert into plan_ir (scope_id, hash, ir_version, body) values (1, 'x', 1, '{}')`,
        `insert into script_text (scope_id, sha256, content) values (1, 'x', 'x')`,
        `update step_execution set state = 'pending' where execution_id = ${id}`,
        `insert into shard (scope_id, execution_id) values (1, ${id})`,
        `update shard set spec = 'x'`,
        `update open_shard set spec = 'x'`,
        `update host_result set attempt = attempt + 1, state = 'pending' where execution_id = ${id}`,
        `insert into host_result (scope_id, execution_id) values (1, ${id})`,
        `insert into operation (scope_id, id, execution_id, kind) values (1, gen_random_uuid(), ${id}, 'retry')`,
        `insert into audit (scope_id, seq) values (1, 0)`,
        `insert into event (scope_id, execution_id, seq, type, body) values (1, ${id}, 99, 'note', '{}')`,
        `insert into host_label (scope_id, host_id, key, value) values (1, 1, 'env', 'prod')`,
        `update host set state = 'active'`,
        `update host set name = 'mine'`,
        `update certificate set revoked_at = null`,
      ])
        expect([sql, await refusal(sql)]).toEqual([sql, REFUSED])
      expect((await api.ended(id)).state).toBe('succeeded')
    })

    it('cannot tell a result for a host whose session it does not hold', async () => {
      const id = await api.launch({
        target: 'name:rack-a-1',
        plan: { name: 'held', steps: [step('sleep 2')] },
      })
      const view = await api.until(id, (now) => now.steps[0]?.counts['running'] === 1)
      const [host] = await api.hosts(id)
      const session = (
        await thief.query('select epoch, gateway from agent_session where host_id = $1', [host?.hostId])
      ).rows[0]
      const lie = (more: object) =>
        thief.query<{ n: string }>('select write_host_news($1) as n', [
          JSON.stringify([
            {
              scopeId: 1,
              executionId: id,
              stepExecutionId: view.steps[0]?.id,
              hostId: host?.hostId,
              attempt: 1,
              state: 'failed',
              started: 'yes',
              exitCode: 66,
              ...session,
              ...more,
            },
          ]),
        ])
      for (const more of [
        { gateway: 'gateway-9' },
        { epoch: String(BigInt(session.epoch) - 1n) },
        { epoch: String(BigInt(session.epoch) + 1n) },
        { hostId: '999999' },
      ])
        expect((await lie(more)).rows).toEqual([{ n: '0' }])
      const end = await api.ended(id)
      expect(end.steps[0]?.counts).toEqual({ succeeded: 1 })
      // What has an end keeps it, also from the one who holds the session.
      expect((await lie({})).rows).toEqual([{ n: '0' }])
    })

    it('takes a host only by taking its session, which its agent takes back', async () => {
      const { rows } = await owner.query<{ id: string }>(`select id from host where name = 'rack-b-1'`)
      const before = (await owner.query('select epoch from agent_session where host_id = $1', [rows[0]?.id]))
        .rows[0].epoch
      await thief.query(
        `update agent_session set gateway = 'gateway-9', gateway_boot = gen_random_uuid(), connected_at = clock_timestamp() where host_id = $1`,
        [rows[0]?.id],
      )
      for (const until = Date.now() + 20_000; ; await pause(100)) {
        const now = (
          await owner.query('select epoch, gateway from agent_session where host_id = $1', [rows[0]?.id])
        ).rows[0]
        if (now.gateway === 'gateway-1' && BigInt(now.epoch) > BigInt(before) + 1n) break
        if (Date.now() > until) throw new Error(`the agent did not come back: ${JSON.stringify(now)}`)
      }
      await connected(platform, 2)
    })
  })

  describe('on the wire', () => {
    it('makes a real agent run nothing that the platform has not signed, and stop nothing', async () => {
      const { body } = await api.insist<{ token: string }>('POST', '/join-tokens', { uses: 1, ttlMs: 60_000 })
      const pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 2)
      const played = await PlayedGateway.start({ platform, pool, ca })
      const agent = new RealAgent({ name: 'victim', gateways: address, token: body.token })
      try {
        agent.start()
        await connected(platform, 3)
        const hostId = (await owner.query(`select id from host where name = 'victim'`)).rows[0].id as string
        const steps = [step(`sleep 10; ${effects.line('survived')}`)]
        const run = await api.launch({ target: 'name:victim', plan: { name: 'goes on', steps } })
        await api.until(run, (now) => now.steps[0]?.counts['running'] === 1)
        // With a script running, the agent falls into the thief's hands.
        await agent.kill()
        agent.options.gateways = played.address
        agent.start()
        const keyId = (await owner.query(`select id from platform_key where purpose = 'signing'`)).rows[0]
          .id as string
        const content = Buffer.from(effects.line('forged'))
        for (const [index, signed] of forgeries(hostId, agent.journalId, keyId, content).entries()) {
          const update = await played.relay({ ...signed, content })
          expect([index, update.state, update.reason]).toEqual([
            index,
            TaskState.TASK_STATE_REJECTED,
            'order_signature_invalid',
          ])
        }
        expect(effects.count('77').size).toBe(0)
        for (const cancelTask of forgedStops(run, (await api.get(run)).steps[0]?.id ?? '', hostId, keyId))
          played.send({ $case: 'cancelTask', value: cancelTask })
        for (const until = Date.now() + 30_000; effects.count(run).size === 0; await pause(100))
          if (Date.now() > until) throw new Error('the script was stopped')
        expect(played.updates.filter(({ state }) => state === TaskState.TASK_STATE_CANCELLED)).toEqual([])
      } finally {
        await agent.remove()
        played.stop()
        await pool.end()
      }
    })
  })

  function forgedStops(run: string, stepId: string, hostId: string, keyId: string) {
    const { privateKey } = generateKeyPairSync('ed25519')
    const bytes = StopOrder.encode({
      scopeId: 1n,
      executionId: BigInt(run),
      issuedAtMs: BigInt(Date.now() + 60_000),
      reason: 'cancelled_by_operator',
    }).finish()
    return [keyId, 'mine'].map((name) => ({
      ...signOrder(Buffer.from(bytes), { keyId: name, privateKey }),
      dispatchId: dispatchId(stepId, 1, hostId),
      expiresAtMs: BigInt(Date.now() + 600_000),
    }))
  }

  /** Orders by a key of the thief's own, under its own name and under the platform's. */
  function forgeries(
    hostId: string,
    journalId: string,
    keyId: string,
    content: Buffer,
  ): (SignedOrder & { spec: Buffer })[] {
    const { privateKey } = generateKeyPairSync('ed25519')
    return [keyId, 'mine'].map((name, index) => {
      const spec = Buffer.from(
        TaskSpec.encode({
          task: {
            $case: 'script',
            value: {
              language: 'sh',
              scriptSha256: sha256(content),
              scriptBytes: content.length,
              arguments: [],
              environment: {},
              workingDirectory: '',
              account: '',
              login: false,
              timeoutMs: 0n,
              graceMs: 1_000,
              outputCapBytes: 0n,
              variables: [],
              keepUncaptured: false,
              sql: undefined,
              secrets: [],
            },
          },
        }).finish(),
      )
      const order = DispatchOrder.encode({
        dispatchId: dispatchId('77', index + 1, hostId),
        scopeId: 1n,
        executionId: 77n,
        stepExecutionId: 77n,
        attempt: index + 1,
        hostId: BigInt(hostId),
        journalId,
        specSha256: sha256(spec),
        issuedAtMs: BigInt(Date.now()),
        expiresAtMs: BigInt(Date.now() + 600_000),
        outputDay: new Date().toISOString().slice(0, 10).replaceAll('-', ''),
        variables: [],
        secretsSha256: Buffer.alloc(0),
      }).finish()
      return { ...signOrder(Buffer.from(order), { keyId: name, privateKey }), spec }
    })
  }
})
