/** Two API processes' worth of servers over one set of stores, and HTTP to call them with. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../api/config'
import { type RunningApi, start } from '../../api/server'
import type { HostId, ScopeId } from '../../domain/id'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded'
import { connectLog } from '../../store/log/connect'
import type { OutputLog } from '../../store/log/output'
import { insertHost, updateLabels } from '../../store/postgres/hosts'
import { createPool, type Pool } from '../../store/postgres/pool'
import { grantRole, insertPrincipal, insertToken, newToken } from '../../store/postgres/principals'
import type { Role } from '../../domain/role'

export interface Call {
  method?: string
  token?: string | undefined
  key?: string | undefined
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is. */
  raw?: string | Uint8Array
  headers?: Record<string, string>
  /** Which of the two servers. */
  api?: 0 | 1
  scope?: string
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Whatever the API says: each test states what it expects of it. */
  body: { [field: string]: unknown; code?: string; detail?: string }
}

export interface ApiFixture {
  embedded: Embedded
  config: Config
  pool: Pool
  output: OutputLog
  token: string
  urls: [string, string]
  scopeId: ScopeId
  /** `path` below the scope, or from the root if it begins with /api or /healthz. */
  call(path: string, call?: Call): Promise<Answer>
  open(path: string, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>
  /** A token of a new principal with these roles in a scope. */
  principal(name: string, scopeId: ScopeId, roles: readonly Role[], expiresAt?: Date): Promise<string>
  addScope(name: string): Promise<ScopeId>
  addHosts(scopeId: ScopeId, names: readonly string[], labels?: Record<string, string>): Promise<HostId[]>
  /** A third server over the same stores. */
  startApi(changes: Partial<Config>): Promise<RunningApi>
  close(): Promise<void>
}

export async function startApiFixture(): Promise<ApiFixture> {
  const data = mkdtempSync(join(tmpdir(), 'drover-api-'))
  const embedded = await startEmbedded({
    data,
    prefix: 'DROVER_TEST_',
    servers: ['postgres', 'mongo', 'temporal'],
    fsync: false,
    temporary: true,
  })
  const config: Config = {
    listen: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    postgresUrl: embedded.urls.postgres,
    mongoUrl: embedded.urls.mongo,
    temporalAddress: embedded.urls.temporal,
    temporalNamespace: 'default',
    temporalUi: embedded.urls.temporalUi || undefined,
    bootstrapTokenFile: join(data, 'token'),
  }
  const startApi = (changes: Partial<Config>) => start({ ...config, ...changes }, { strictAnswers: true })
  const apis = await Promise.all([startApi({}), startApi({})])
  const urls: [string, string] = [apis[0].url, apis[1].url]
  const pool = createPool(config.postgresUrl, 4)
  const mongo = connectLog(config.mongoUrl)
  const token = readFileSync(join(data, 'token'), 'utf8').trim()
  return {
    embedded,
    config,
    pool,
    output: mongo.log,
    token,
    urls,
    scopeId: '1' as ScopeId,
    call: (path, call = {}) => callApi(urls, token, path, call),
    open: (path, headers = {}, signal = AbortSignal.timeout(30_000)) =>
      fetch(`${urls[0]}/api/v1/scopes/default${path}`, {
        headers: { authorization: `Bearer ${token}`, ...headers },
        signal,
      }),
    async principal(name, scopeId, roles, expiresAt) {
      const made = newToken()
      const principalId = await insertPrincipal(pool, { scopeId, kind: 'service', name })
      for (const role of roles) await grantRole(pool, scopeId, principalId, role)
      await insertToken(pool, {
        scopeId,
        principalId,
        name: 'test',
        token: made,
        ...(expiresAt ? { expiresAt } : {}),
      })
      return made
    },
    async addScope(name) {
      const made = await pool.query<{ id: ScopeId }>('insert into scope (name) values ($1) returning id', [
        name,
      ])
      return made.rows[0]!.id
    },
    async addHosts(scopeId, names, labels = {}) {
      const ids: HostId[] = []
      for (const name of names) {
        const id = (await insertHost(pool, scopeId, name))!
        await updateLabels(pool, scopeId, id, labels)
        ids.push(id)
      }
      return ids
    },
    startApi,
    async close() {
      await Promise.all(apis.map((api) => api[Symbol.asyncDispose]()))
      await Promise.allSettled([pool.end(), mongo.client.close()])
      await embedded.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function callApi(urls: [string, string], admin: string, path: string, call: Call): Promise<Answer> {
  const below = /^\/(api|healthz|readyz|metrics)/.test(path)
  const url = `${urls[call.api ?? 0]}${below ? '' : `/api/v1/scopes/${call.scope ?? 'default'}`}${path}`
  const method = call.method ?? 'GET'
  const token = 'token' in call ? call.token : admin
  const key = 'key' in call ? call.key : randomUUID()
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === 'GET' || key === undefined ? {} : { 'idempotency-key': key }),
      ...(call.body === undefined && call.raw === undefined ? {} : { 'content-type': 'application/json' }),
      ...call.headers,
    },
    ...(call.raw !== undefined
      ? { body: call.raw }
      : call.body === undefined
        ? {}
        : { body: JSON.stringify(call.body) }),
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (isJson ? JSON.parse(text) : {}) as Answer['body'],
  }
}
