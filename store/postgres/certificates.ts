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

export interface CertificateRequest extends CertificateSubject {
  id: string
  csr: Buffer
}

export async function insertCertificateRequest(
  db: Db,
  subject: CertificateSubject,
  csr: Buffer,
): Promise<string> {
  const id = randomUUID()
  await db.query(
    'insert into certificate_request (scope_id, id, host_id, gateway, csr) values ($1, $2, $3, $4, $5)',
    [subject.scopeId, id, subject.hostId, subject.gateway, csr],
  )
  return id
}

/** The answer to a request, once there is one. */
export async function findCertificateAnswer(
  db: Db,
  scopeId: ScopeId,
  id: string,
): Promise<{ certificate: string | null; refused: string | null } | undefined> {
  const result = await db.query<{ certificate: string | null; refused: string | null }>(
    'select certificate, refused from certificate_request where scope_id = $1 and id = $2 and answered_at is not null',
    [scopeId, id],
  )
  return result.rows[0]
}

/** Takes open requests, oldest first; other workers skip them until the transaction ends. */
export async function takeCertificateRequests(tx: Db, limit: number): Promise<CertificateRequest[]> {
  const result = await tx.query<CertificateRequest>(
    `select scope_id as "scopeId", id, host_id as "hostId", gateway, csr from certificate_request
     where answered_at is null order by requested_at limit $1 for update skip locked`,
    [limit],
  )
  return result.rows
}

export async function answerCertificateRequest(
  tx: Db,
  request: CertificateRequest,
  answer: { certificate?: string; refused?: string },
): Promise<void> {
  await tx.query(
    'update certificate_request set certificate = $3, refused = $4, answered_at = now() where scope_id = $1 and id = $2',
    [request.scopeId, request.id, answer.certificate ?? null, answer.refused ?? null],
  )
}

export async function insertCertificate(
  db: Db,
  subject: CertificateSubject,
  certificate: { serial: string; notAfter: Date; fingerprint: Buffer },
): Promise<void> {
  await db.query(
    'insert into certificate (scope_id, serial, host_id, gateway, not_after, fingerprint) values ($1, $2, $3, $4, $5, $6)',
    [
      subject.scopeId,
      certificate.serial,
      subject.hostId,
      subject.gateway,
      certificate.notAfter,
      certificate.fingerprint,
    ],
  )
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

/** The last request of a host that joined by this token under this name and has never connected: an answer may have been lost. */
export async function findJoinAttempt(
  db: Db,
  secret: string,
  name: string,
): Promise<{ scopeId: ScopeId; hostId: HostId; csr: Buffer } | undefined> {
  const result = await db.query<{ scopeId: ScopeId; hostId: HostId; csr: Buffer }>(
    `select h.scope_id as "scopeId", h.id as "hostId", r.csr
     from join_token t join host h on h.scope_id = t.scope_id and h.name = $2 and h.state = 'active'
     join certificate_request r on r.scope_id = h.scope_id and r.host_id = h.id
     where t.secret_sha256 = sha256(convert_to($1, 'UTF8')) and t.revoked_at is null and t.expires_at > now()
       and not exists (select from agent_session s where s.scope_id = h.scope_id and s.host_id = h.id)
     order by r.requested_at desc limit 1`,
    [secret, name],
  )
  return result.rows[0]
}
