/** Two scopes with the same things in each, and everybody who might ask for them: what the security suites ask with. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import type { ExecutionId, HostId, PrincipalId, ScopeId } from '../../domain/id'
import { type Role, roles } from '../../domain/role'
import { replaceGroup } from '../../store/postgres/groups'
import { insertHost } from '../../store/postgres/hosts'
import { insertJoinToken, newJoinSecret } from '../../store/postgres/join-tokens'
import { insertKey } from '../../store/postgres/platform-keys'
import { transaction } from '../../store/postgres/transaction'
import type { MasterKey } from '../../store/seal'
import { type ApiFixture, startApiFixture } from '../integration/api-fixture'
import { makeForeignCertificate } from './raw-agent'

/** One of each thing of a scope, by the names of path parameters. */
export type Things = Record<
  | 'scope'
  | 'hostId'
  | 'group'
  | 'script'
  | 'version'
  | 'job'
  | 'plan'
  | 'dbAccount'
  | 'secret'
  | 'joinTokenId'
  | 'executionId'
  | 'position'
  | 'stream',
  string
>

export interface TwoScopes {
  api: ApiFixture
  own: { id: ScopeId; things: Things }
  other: { id: ScopeId; things: Things }
  /** Admin in both scopes. */
  everywhere: string
  /** Holders of one role in `own`. */
  holders: Record<Role, string>
  /** Admin in `other` only. */
  outsider: string
  /** Makes new things in a scope. */
  make(scope: 'own' | 'other'): Promise<Things>
  close(): Promise<void>
}

/** Resolves with the API running over real stores and the things made. */
export async function startTwoScopes(): Promise<TwoScopes> {
  const api = await startApiFixture()
  const otherId = await api.addScope('other')
  const everywhere = await api.principal('everywhere', api.scopeId, ['admin'])
  await api.pool.query(
    `insert into role_grant (scope_id, principal_id, role) select $1, id, 'admin' from principal where name = 'everywhere'`,
    [otherId],
  )
  await addAuthority(api)
  const scopes = { own: { id: api.scopeId, name: 'default' }, other: { id: otherId, name: 'other' } }
  for (const { id, name } of Object.values(scopes)) {
    await insertHost(api.pool, id, 'fixed')
    await api.call('/agent-bundles?version=sample', {
      method: 'POST',
      token: everywhere,
      scope: name,
      raw: 'a bundle',
      headers: { 'content-type': 'application/octet-stream' },
    })
  }
  const make = (which: 'own' | 'other') => makeThings(api, everywhere, scopes[which])
  const held = await Promise.all(
    roles.map(async (role) => [role, await api.principal(`only-${role}`, api.scopeId, [role])]),
  )
  return {
    api,
    everywhere,
    make,
    own: { id: api.scopeId, things: await make('own') },
    other: { id: otherId, things: await make('other') },
    holders: Object.fromEntries(held) as Record<Role, string>,
    outsider: await api.principal('outsider', otherId, ['admin']),
    close: () => api.close(),
  }
}

/** The authority that a worker makes at its first start: join tokens name it. */
async function addAuthority(api: ApiFixture): Promise<void> {
  const { certificate } = await makeForeignCertificate('authority')
  const master = { id: 'test', key: Buffer.alloc(32) }
  const key = { purpose: 'ca', id: 'ca-1', publicPart: certificate, privatePart: '-' } as const
  await insertKey(api.pool, api.scopeId, key, master)
  await addSecretsKey(api, master)
}

/** The key that a worker makes at its first start: secrets are sealed to it. @returns its private half, PEM */
export async function addSecretsKey(api: ApiFixture, master: MasterKey): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicPart = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const privatePart = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const key = { purpose: 'secrets', id: 'secrets-1', publicPart, privatePart } as const
  await insertKey(api.pool, api.scopeId, key, master)
  return privatePart
}

async function makeThings(
  api: ApiFixture,
  token: string,
  scope: { id: ScopeId; name: string },
): Promise<Things> {
  const unique = randomUUID().slice(0, 8)
  const hostId = (await insertHost(api.pool, scope.id, `host-${unique}`)) ?? ('' as HostId)
  const group = `group-${unique}`
  await transaction(api.pool, (tx) => replaceGroup(tx, scope.id, group, [hostId]))
  const join = await insertJoinToken(api.pool, {
    scopeId: scope.id,
    secret: newJoinSecret(),
    labels: {},
    uses: 1,
    ttlMs: 3_600_000,
    createdBy: '1' as PrincipalId,
  })
  const script = `script-${unique}`
  const made = await api.call('/scripts', {
    method: 'POST',
    token,
    scope: scope.name,
    body: { name: script, content: 'true' },
  })
  if (made.status !== 201) throw new Error(`the sample was not made: ${made.text}`)
  // Public ones are made from the platform's own scope alone: by the name of another's own script none is found.
  if (scope.name === 'default') {
    const shared = await api.call('/public-scripts', {
      method: 'POST',
      token,
      body: { name: script, content: 'true' },
    })
    if (shared.status !== 201) throw new Error(`the sample was not shared: ${shared.text}`)
  }
  const secret = `secret-${unique}`
  const kept = await api.call('/secrets', {
    method: 'POST',
    token,
    scope: scope.name,
    body: { name: secret, value: `value-${unique}` },
  })
  if (kept.status !== 201) throw new Error(`the sample was not kept: ${kept.text}`)
  const job = `job-${unique}`
  const plan = `plan-${unique}`
  const dbAccount = `db-${unique}`
  for (const [path, body] of [
    [`/jobs/${job}`, { steps: [{ name: 'one', script: 'true' }] }],
    [`/jobs/${job}/plans/${plan}`, {}],
    [`/db-accounts/${dbAccount}`, { engine: 'postgresql', user: 'ann' }],
  ] as const) {
    const put = await api.call(path, { method: 'PUT', token, scope: scope.name, body })
    if (put.status !== 200) throw new Error(`the sample was not made: ${put.text}`)
  }
  const launched = await api.call('/executions', {
    method: 'POST',
    token,
    scope: scope.name,
    body: { target: `id:${hostId}`, script: { script: 'true' } },
  })
  if (launched.status !== 201) throw new Error(`the sample was not launched: ${launched.text}`)
  const executionId = String(launched.body['id']) as ExecutionId
  return {
    scope: scope.name,
    hostId,
    group,
    script,
    version: '1',
    job,
    plan,
    dbAccount,
    secret,
    joinTokenId: join.id,
    executionId,
    position: '0',
    stream: 'stdout',
  }
}
