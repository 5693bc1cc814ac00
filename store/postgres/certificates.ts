/** Certificates: requests that gateways leave, answers that workers give, and what is revoked. */
import { randomUUID } from 'node:crypto'
import type { HostId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

/** Whom a certificate is for: a host of a scope, or a gateway. */
export interface CertificateSubject {
  scopeId: ScopeId
  hostId: HostId | null
  gateway: string | null
}

/** What a gateway leaves for the workers; `proof` decides, not who left it. See proto/proof.ts. */
export type CertificateWish = { csr: Buffer; proof: Buffer } & (
  | { kind: 'join'; name: string; tokenKey: Buffer }
  | { kind: 'renewal'; currentCertificate: Buffer }
  | { kind: 'gateway'; gateway: string }
)

export type CertificateRequest = CertificateWish & { scopeId: ScopeId; id: string }

export async function insertCertificateRequest(
  db: Db,
  scopeId: ScopeId,
  wish: CertificateWish,
): Promise<string> {
  const id = randomUUID()
  await db.query(
    `insert into certificate_request (scope_id, id, kind, csr, proof, name, token_key, current_certificate, gateway)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      scopeId,
      id,
      wish.kind,
      wish.csr,
      wish.proof,
      wish.kind === 'join' ? wish.name : null,
      wish.kind === 'join' ? wish.tokenKey : null,
      wish.kind === 'renewal' ? wish.currentCertificate : null,
      wish.kind === 'gateway' ? wish.gateway : null,
    ],
  )
  return id
}

export interface CertificateAnswer {
  /** Of the request. */
  id: string
  hostId: HostId | null
  certificate: string | null
  refused: string | null
  refusedCode: string | null
}

/** The answers to those of the requests that have one. */
export async function findCertificateAnswers(
  db: Db,
  scopeId: ScopeId,
  ids: readonly string[],
): Promise<CertificateAnswer[]> {
  const result = await db.query<CertificateAnswer>(
    `select id, host_id as "hostId", certificate, refused, refused_code as "refusedCode" from certificate_request
     where scope_id = $1 and id = any($2) and answered_at is not null`,
    [scopeId, ids],
  )
  return result.rows
}

interface RequestRow {
  scopeId: ScopeId
  id: string
  kind: CertificateWish['kind']
  csr: Buffer
  proof: Buffer
  name: string | null
  tokenKey: Buffer | null
  currentCertificate: Buffer | null
  gateway: string | null
}

// Columns that its kind has no use for may hold anything: they are not looked at.
function toRequest(row: RequestRow): CertificateRequest {
  const { scopeId, id, kind, csr, proof } = row
  const nothing = Buffer.alloc(0)
  switch (kind) {
    case 'join':
      return { scopeId, id, kind, csr, proof, name: row.name ?? '', tokenKey: row.tokenKey ?? nothing }
    case 'renewal':
      return { scopeId, id, kind, csr, proof, currentCertificate: row.currentCertificate ?? nothing }
    case 'gateway':
      return { scopeId, id, kind, csr, proof, gateway: row.gateway ?? '' }
  }
}

/** Takes open requests, oldest first; other workers skip them until the transaction ends. */
export async function takeCertificateRequests(tx: Db, limit: number): Promise<CertificateRequest[]> {
  const result = await tx.query<RequestRow>(
    `select scope_id as "scopeId", id, kind, csr, proof, name, token_key as "tokenKey",
       current_certificate as "currentCertificate", gateway from certificate_request
     where answered_at is null order by requested_at limit $1 for update skip locked`,
    [limit],
  )
  return result.rows.map(toRequest)
}

export async function answerCertificateRequest(
  tx: Db,
  request: CertificateRequest,
  answer: { hostId: HostId | null; certificate: string } | { refused: string; code: string },
): Promise<void> {
  const done = 'certificate' in answer
  await tx.query(
    `update certificate_request set host_id = $3, certificate = $4, refused = $5, refused_code = $6, answered_at = now()
     where scope_id = $1 and id = $2`,
    [
      request.scopeId,
      request.id,
      done ? answer.hostId : null,
      done ? answer.certificate : null,
      done ? null : answer.refused,
      done ? null : answer.code,
    ],
  )
}

export async function insertCertificate(
  db: Db,
  subject: CertificateSubject,
  certificate: { serial: string; notAfter: Date; fingerprint: Buffer; publicKey: Buffer },
): Promise<void> {
  await db.query(
    'insert into certificate (scope_id, serial, host_id, gateway, not_after, fingerprint, public_key) values ($1, $2, $3, $4, $5, $6, $7)',
    [
      subject.scopeId,
      certificate.serial,
      subject.hostId,
      subject.gateway,
      certificate.notAfter,
      certificate.fingerprint,
      subject.hostId === null ? null : certificate.publicKey,
    ],
  )
}

/** A worker has seen that the host of a certificate has its key. @param fingerprint sha256 of its DER */
export async function markProven(tx: Db, fingerprint: Buffer): Promise<void> {
  await tx.query('update certificate set proven_at = now() where fingerprint = $1', [fingerprint])
}

/** A certificate whose answer was lost was issued all the same: a host may have any of these keys. */
const KEYS_OF_A_HOST = 4

/**
 * Public keys of hosts (points, newest first) by the certificates that workers have signed for them: the latest that are good
 * still, the newest one, and the one that the host has shown last that it has. Hosts without one are left out.
 */
export async function listHostKeys(
  db: Db,
  scopeId: ScopeId,
  hostIds: readonly HostId[],
): Promise<Map<HostId, Buffer[]>> {
  const result = await db.query<{ hostId: HostId; keys: Buffer[] }>(
    `select host_id as "hostId", array_agg(public_key order by n) as keys from (
       select host_id, public_key, max(not_after) as not_after, max(proven_at) as proven_at,
         max(max(proven_at)) over (partition by host_id) as last_proven_at, row_number() over (partition by host_id order by min(issued_at) desc, min(serial)) as n
       from certificate where scope_id = $1 and host_id = any($2) and public_key is not null and revoked_at is null
       group by host_id, public_key) k
     where n = 1 or (n <= $3 and not_after > now()) or proven_at = last_proven_at group by host_id order by host_id`,
    [scopeId, hostIds, KEYS_OF_A_HOST],
  )
  return new Map(result.rows.map((row) => [row.hostId, row.keys]))
}

/** Whose a certificate is, by the sha256 of its DER; undefined if it was never issued, has been revoked or its host has been. */
export async function findCertificateHost(
  db: Db,
  fingerprint: Buffer,
): Promise<{ scopeId: ScopeId; hostId: HostId; serial: string } | undefined> {
  const result = await db.query<{ scopeId: ScopeId; hostId: HostId; serial: string }>(
    `select c.scope_id as "scopeId", c.host_id as "hostId", c.serial
     from certificate c join host h on h.scope_id = c.scope_id and h.id = c.host_id
     where c.fingerprint = $1 and c.revoked_at is null and h.state <> 'revoked'`,
    [fingerprint],
  )
  return result.rows[0]
}

/** A host by the key that it joined with, and whether it has ever connected. */
export async function findJoinedHost(
  db: Db,
  joinKey: Buffer,
): Promise<{ scopeId: ScopeId; hostId: HostId; name: string; isNew: boolean } | undefined> {
  const result = await db.query<{ scopeId: ScopeId; hostId: HostId; name: string; isNew: boolean }>(
    `select h.scope_id as "scopeId", h.id as "hostId", h.name, h.state = 'active' and not exists (
       select from agent_session s where s.scope_id = h.scope_id and s.host_id = h.id) as "isNew"
     from host h where h.join_key = $1`,
    [joinKey],
  )
  return result.rows[0]
}

/** Whether an operator has ended the certificates of a gateway's name. */
export async function isGatewayRevoked(db: Db, name: string): Promise<boolean> {
  const result = await db.query('select from gateway where name = $1 and revoked_at is not null', [name])
  return result.rowCount !== 0
}
