/** Bundles of the agent, by version and by hash: what hosts may be changed to. */
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { type Db } from './pool.js'

export interface AgentBundle {
  version: string
  /** Hex. */
  sha256: string
  platform: string
  bytes: number
  createdAt: Date
}

const columns = `version, encode(sha256, 'hex') as sha256, platform, length(content) as bytes, created_at as "createdAt"`

/** Keeps a bundle; undefined if its version has another one already. The same one again is the one that is there. */
export async function insertAgentBundle(
  db: Db,
  bundle: { scopeId: ScopeId; version: string; platform: string; content: Buffer; uploadedBy: PrincipalId },
): Promise<AgentBundle | undefined> {
  await db.query(
    `insert into agent_bundle (scope_id, version, sha256, platform, content, uploaded_by)
     values ($1, $2, sha256($3), $4, $3, $5) on conflict do nothing`,
    [bundle.scopeId, bundle.version, bundle.content, bundle.platform, bundle.uploadedBy],
  )
  const result = await db.query<AgentBundle>(
    `select ${columns} from agent_bundle where scope_id = $1 and version = $2 and sha256 = sha256($3) and platform = $4`,
    [bundle.scopeId, bundle.version, bundle.content, bundle.platform],
  )
  return result.rows[0]
}

export async function findAgentBundle(
  db: Db,
  scopeId: ScopeId,
  version: string,
): Promise<AgentBundle | undefined> {
  const result = await db.query<AgentBundle>(
    `select ${columns} from agent_bundle where scope_id = $1 and version = $2`,
    [scopeId, version],
  )
  return result.rows[0]
}

/** Newest first. */
export async function listAgentBundles(db: Db, scopeId: ScopeId): Promise<AgentBundle[]> {
  const result = await db.query<AgentBundle>(
    `select ${columns} from agent_bundle where scope_id = $1 order by created_at desc, version limit 1000`,
    [scopeId],
  )
  return result.rows
}

/** The bytes of a bundle, for a gateway to relay: undefined unless some host is being changed to it. */
export async function findBundleContent(
  db: Db,
  scopeId: ScopeId,
  sha256: Buffer,
): Promise<Buffer | undefined> {
  const result = await db.query<{ content: Buffer | null }>('select relayed_bundle($1, $2) as content', [
    scopeId,
    sha256,
  ])
  return result.rows[0]?.content ?? undefined
}
