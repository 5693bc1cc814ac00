/** Secrets canaries: values that only one place may hold go through a whole platform, then every place is searched for them. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { Client, Connection } from '@temporalio/client'
import { historyToJSON } from '@temporalio/common/lib/proto-utils'
import { Client as PgClient } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { connectLog } from '../../store/log/connect'
import { TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'

const word = (name: string) => `canary-${name}-${randomBytes(12).toString('hex')}`
const canaries: Record<string, string> = {
  'script text': word('text'),
  argument: word('argument'),
  environment: word('environment'),
  output: word('output'),
  secret: word('secret'),
  'refused value': word('refused'),
}

/** Where each may be found, and why: docs/security.md, "Where secrets are". Anything else is a leak. */
const allowed: Record<string, string[]> = {
  'script text': ['table script_text', 'spool of an agent'],
  argument: ['table plan_ir', 'table shard', 'spool of an agent', 'command line of the script'],
  environment: ['table plan_ir', 'table shard', 'spool of an agent'],
  output: ['output store', 'spool of an agent'],
  // The file that the script wrote it to; what leaves the host is masked.
  secret: ['spool of an agent'],
  'refused value': [],
  'admin token': ['file of the first token'],
  'join token': [],
  'master key': ['file of the master key'],
  'private key of a host': ['identity of an agent'],
}

let platform: Platform
const found: Record<string, Set<string>> = {}

/** Notes whose canary stands in `bytes`: as text, in hex, or in base64 at any alignment. */
function search(place: string, bytes: Buffer | string): void {
  const text = Buffer.isBuffer(bytes) ? bytes.toString('latin1') : bytes
  for (const [name, value] of Object.entries(canaries)) {
    const shifted = [0, 1, 2].map((shift) =>
      Buffer.concat([Buffer.alloc(shift), Buffer.from(value)])
        .toString('base64')
        .slice(shift ? 4 : 0, -4),
    )
    const forms = [value, Buffer.from(value).toString('hex'), ...shifted]
    if (forms.some((form) => text.includes(form))) (found[name] ??= new Set()).add(place)
  }
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(at)
    else if (entry.isFile()) yield at
  }
}

/** A file that is taken away meanwhile holds nothing any more. */
function searchFile(place: string, file: string): void {
  try {
    search(place, readFileSync(file))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** What a file of the stack's data folder is, in the words of `allowed`; undefined: PostgreSQL's, searched by table. */
function placeOf(file: string): string | undefined {
  const inside = path.relative(platform.data, file)
  if (inside.startsWith('postgres')) return undefined
  if (inside === 'admin-token') return 'file of the first token'
  if (inside === 'master.key') return 'file of the master key'
  if (/^agents\/[^/]+\/spool\//.test(inside)) return 'spool of an agent'
  if (/^agents\/[^/]+\/identity\//.test(inside)) return 'identity of an agent'
  return `file ${inside}`
}

async function searchTables(): Promise<number> {
  const client = new PgClient({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = 'public'`,
    )
    for (const { name } of tables.rows) {
      const rows = await client.query<{ text: string }>(`select t::text as text from ${name} t`)
      for (const row of rows.rows) search(`table ${name.replace('public.', '')}`, row.text)
    }
    return tables.rows.length
  } finally {
    await client.end()
  }
}

async function searchHistories(): Promise<number> {
  const connection = await Connection.connect({ address: platform.env['DROVER_TEMPORAL_ADDRESS'] ?? '' })
  const client = new Client({ connection })
  let count = 0
  for await (const workflow of client.workflow.list()) {
    count++
    const handle = client.workflow.getHandle(workflow.workflowId, workflow.runId)
    search('history in Temporal', historyToJSON(await handle.fetchHistory()))
    search('memo in Temporal', JSON.stringify([workflow.memo, workflow.searchAttributes]))
  }
  await connection.close()
  return count
}

async function searchOutput(): Promise<void> {
  const { client } = connectLog(platform.env['DROVER_MONGO_URL'] ?? '')
  for (const { name } of await client.db().listCollections().toArray()) {
    for await (const document of client.db().collection(name).find()) {
      search('output store', JSON.stringify(document))
      for (const value of Object.values(document) as { buffer?: Buffer }[]) {
        if (!value?.buffer) continue
        search('output store', value.buffer)
        try {
          search('output store', inflateRawSync(value.buffer))
        } catch {
          // Small pieces are kept as they are.
        }
      }
    }
  }
  await client.close()
}

/** Every process of the machine: a command line is there for everybody to read. */
function searchCommandLines(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      search(
        /\/(scripts|drover-scripts-[0-9a-f-]+)\//.test(line)
          ? 'command line of the script'
          : `command line ${line.slice(0, 80)}`,
        line,
      )
    } catch {
      // Ended meanwhile.
    }
  }
}

async function searchMetrics(): Promise<number> {
  const urls = [`${platform.url}/metrics`]
  for (const name of platform.names().filter((each) => /^(worker|gateway)-/.test(each))) {
    const environ = readFileSync(`/proc/${platform.child(name).pid}/environ`, 'latin1')
    const listen = /DROVER_HEALTH_LISTEN=([^\0]+)/.exec(environ)?.[1]
    if (listen) urls.push(`http://${listen}/metrics`)
  }
  for (const url of urls) search('metrics', await (await fetch(url)).text())
  return urls.length
}

describe('a canary', () => {
  let api: TestApi
  let executionId: string
  let watched: PgClient
  const notes: string[] = []

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 2 })
    api = new TestApi(platform)
    const state = platform.agentState('rack-a-1')
    const keys = [...filesBelow(path.join(state, 'identity'))].map((file) => readFileSync(file, 'utf8'))
    const pem = keys.find((text) => text.includes('PRIVATE KEY')) ?? ''
    // The first line of a P-256 key is the same for all of them; the second is its own.
    canaries['private key of a host'] = pem.replaceAll('\\n', '\n').split('\n')[2] ?? ''
    canaries['admin token'] = platform.token
    canaries['master key'] = readFileSync(path.join(platform.data, 'master.key'), 'utf8').trim()
    const join = await api.insist<{ token: string }>('POST', '/join-tokens', {})
    canaries['join token'] = join.body.token.split('.')[0] ?? ''
    watched = new PgClient({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await watched.connect()
    watched.on('notification', (note) => notes.push(`${note.channel} ${note.payload}`))
    for (const channel of ['drover_executions', 'drover_flags', 'drover_certificates'])
      await watched.query(`listen ${channel}`)
  }, 120_000)

  afterAll(async () => {
    await watched?.end()
    await platform?.close()
  }, 60_000)

  async function refuse(method: string, at: string, body: unknown): Promise<void> {
    const answer = await api.call(method, at, body)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    search('answer to a refused request', JSON.stringify(answer.body))
  }

  /** A run whose scripts say the secret of themselves: as values of variables, and as what their outcome is called. */
  async function sayTheSecret(): Promise<void> {
    const say = `X="is $(cat "$SECRET_FILE")"; drover-set Y "$(cat "$SECRET_FILE")"; drover-tag "with $(cat "$SECRET_FILE")"`
    const id = await api.launch({
      target: '*',
      plan: {
        name: 'says',
        variables: [
          { name: 'X', changeable: true },
          { name: 'Y', type: 'perHost' },
        ],
        steps: [
          { name: 'say', script: say, secrets: { SECRET: 'canary' } },
          { name: 'repeat', script: 'echo "$X $Y"' },
        ],
      },
    })
    expect((await api.ended(id, 60_000)).state).toBe('succeeded')
    const stars = '*'.repeat(canaries['secret']?.length ?? 0)
    for (const { hostId, tag } of await api.hosts(id, 0)) {
      expect(tag).toBe(`with ${stars}`)
      expect((await api.output(id, hostId, 'stdout', 1)).toString()).toBe(`is ${stars} ${stars}\n`)
    }
    for (const at of ['', '/events', '/variables', '/steps/0/hosts', '/steps/0/groups'])
      search('answer of the API', JSON.stringify((await api.call('GET', `/executions/${id}${at}`)).body))
  }

  it('goes through a platform that runs, fails, is cancelled and is broken', async () => {
    for (const value of Object.values(canaries)) expect(value.length).toBeGreaterThan(30)
    // In two pieces, so that the text of the script does not hold what it prints.
    const [front, back] = [(canaries['output'] ?? '').slice(0, 14), (canaries['output'] ?? '').slice(14)]
    const script = `# ${canaries['script text']}\nprintf '%s%s\\n' ${front} ${back}; cat "$SECRET_FILE"; sleep 8; exit 3`
    const step = {
      script,
      language: 'sh',
      arguments: [canaries['argument']],
      environment: { CANARY: canaries['environment'] },
      secrets: { SECRET: 'canary' },
    }
    await api.insist('POST', '/secrets', { name: 'canary', value: canaries['secret'] })
    executionId = await api.launch({ target: '*', script: step, confirm: 2 })
    await api.until(executionId, (view) => (view.steps[0]?.counts['running'] ?? 0) === 2)
    searchCommandLines()
    platform.child('gateway-1').kill('SIGKILL')
    platform.child('worker-1').kill('SIGKILL')
    await api.ended(executionId, 120_000)
    await api.operate(executionId, { kind: 'retry' })
    await api.until(executionId, (view) => view.continuation === 1)
    await api.operate(executionId, { kind: 'cancel' })
    await api.ended(executionId, 120_000)
    await sayTheSecret()
    const secret = canaries['refused value']
    await refuse('POST', '/executions', {
      target: '*',
      script: { ...step, script: 5, environment: { X: secret } },
    })
    await refuse('POST', '/executions', {
      target: '*',
      script: { script: 'true', environment: { LD_PRELOAD: secret } },
    })
    await refuse('POST', '/executions', {
      target: '*',
      confirm: 9,
      script: { script: `echo ${secret}`, arguments: [secret] },
    })
    for (const at of ['', '/events', '/operations', '/steps/0/hosts', '/steps/0/groups'])
      search(
        'answer of the API',
        JSON.stringify((await api.call('GET', `/executions/${executionId}${at}`)).body),
      )
    for (const path of ['/join-tokens', '/secrets', '/secrets/canary', '/secrets/canary/versions'])
      search('answer of the API', JSON.stringify((await api.call('GET', path)).body))
  }, 240_000)

  it('is found in its own places only', async () => {
    expect(await searchTables()).toBeGreaterThan(20)
    expect(await searchHistories()).toBeGreaterThanOrEqual(2)
    expect(await searchMetrics()).toBeGreaterThanOrEqual(3)
    await searchOutput()
    search('a notification', notes.join('\n'))
    let files = 0
    for (const file of filesBelow(platform.data)) {
      const place = placeOf(file)
      if (place === undefined) continue
      files++
      searchFile(place, file)
    }
    expect(files).toBeGreaterThan(10)
    // Where scripts of any account lie while they run: nothing is left when they have ended.
    for (const name of readdirSync('/var/tmp').filter((each) => each.startsWith('drover-scripts-')))
      for (const file of filesBelow(path.join('/var/tmp', name)))
        searchFile('a script left on the host', file)
    const places = Object.fromEntries(
      Object.keys(canaries).map((name) => [
        name,
        [...(found[name] ?? [])].filter((place) => !allowed[name]?.includes(place)),
      ]),
    )
    expect(places).toEqual(Object.fromEntries(Object.keys(canaries).map((name) => [name, []])))
  }, 120_000)

  it('would have been seen: each was found where it belongs', () => {
    const at = (name: string) => [...(found[name] ?? [])]
    expect(at('script text')).toContain('table script_text')
    expect(at('argument')).toEqual(expect.arrayContaining(['table plan_ir', 'command line of the script']))
    expect(at('environment')).toContain('table plan_ir')
    expect(at('output')).toContain('output store')
    expect(at('secret')).toEqual(['spool of an agent'])
    expect(at('admin token')).toContain('file of the first token')
    expect(at('master key')).toContain('file of the master key')
    expect(at('private key of a host')).toContain('identity of an agent')
    expect(notes.join('\n')).toContain('drover_executions')
  })

  it('on a host is for its owner alone', () => {
    for (const name of ['rack-a-1', 'rack-b-1']) {
      for (const folder of ['spool', 'identity']) {
        const mode = statSync(path.join(platform.agentState(name), folder)).mode & 0o077
        expect([name, folder, mode]).toEqual([name, folder, 0])
      }
    }
    for (const file of ['admin-token', 'master.key'])
      expect(statSync(path.join(platform.data, file)).mode & 0o077).toBe(0)
  })
})
