/** The platform's own keys: the certificate authority, the key that signs orders and the one that secrets are sealed to; private halves sealed. */
import { type MasterKey, seal, unseal } from '../seal.js'
import type { ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export type KeyPurpose = 'ca' | 'signing' | 'secrets'

export interface PublicKey {
  id: string
  /** ca: certificate, PEM. signing: Ed25519, SPKI PEM. secrets: P-256, SPKI PEM. */
  publicPart: string
}

export interface PrivateKey extends PublicKey {
  /** PKCS#8 PEM. */
  privatePart: string
}

/** The newest key of a purpose, with its private half. */
export async function findPrivateKey(
  db: Db,
  scopeId: ScopeId,
  purpose: KeyPurpose,
  master: MasterKey,
): Promise<PrivateKey | undefined> {
  const result = await db.query<SealedKey>(
    `select ${sealedColumns} from platform_key
     where scope_id = $1 and purpose = $2 and retired_at is null order by created_at desc limit 1`,
    [scopeId, purpose],
  )
  const [row] = result.rows
  return row && open(row, purpose, master)
}

/** Every key of a purpose with its private half, newest first; also those that were retired, for what they opened is still kept. */
export async function listPrivateKeys(
  db: Db,
  scopeId: ScopeId,
  purpose: KeyPurpose,
  master: MasterKey,
): Promise<PrivateKey[]> {
  const result = await db.query<SealedKey>(
    `select ${sealedColumns} from platform_key where scope_id = $1 and purpose = $2 order by created_at desc`,
    [scopeId, purpose],
  )
  return result.rows.map((row) => open(row, purpose, master))
}

interface SealedKey {
  id: string
  public_part: string
  sealed_private: Buffer
  master_key_id: string
}

const sealedColumns = 'id, public_part, sealed_private, master_key_id'

function open(row: SealedKey, purpose: KeyPurpose, master: MasterKey): PrivateKey {
  if (row.master_key_id !== master.id) {
    throw new Error(
      `the ${purpose} key is sealed by master key ${row.master_key_id}, but this process was given ${master.id}: give it the right one`,
    )
  }
  return {
    id: row.id,
    publicPart: row.public_part,
    privatePart: unseal(master, `${purpose}/${row.id}`, row.sealed_private).toString(),
  }
}

/** Every key of a purpose that may still be met, newest first; public halves only. */
export async function listPublicKeys(db: Db, scopeId: ScopeId, purpose: KeyPurpose): Promise<PublicKey[]> {
  const result = await db.query<{ id: string; public_part: string }>(
    `select id, public_part from platform_key where scope_id = $1 and purpose = $2 and retired_at is null order by created_at desc`,
    [scopeId, purpose],
  )
  return result.rows.map((row) => ({ id: row.id, publicPart: row.public_part }))
}

/** Keeps the CA's word for a signing key. */
export async function setCaSignature(db: Db, scopeId: ScopeId, id: string, signature: Buffer): Promise<void> {
  await db.query('update platform_key set ca_signature = $3 where scope_id = $1 and id = $2', [
    scopeId,
    id,
    signature,
  ])
}

/** Signing keys that agents may be told of, newest first: those that the CA has signed. */
export async function listSigningKeys(
  db: Db,
  scopeId: ScopeId,
): Promise<(PublicKey & { caSignature: Buffer })[]> {
  const result = await db.query<{ id: string; public_part: string; ca_signature: Buffer }>(
    `select id, public_part, ca_signature from platform_key
     where scope_id = $1 and purpose = 'signing' and retired_at is null and ca_signature is not null order by created_at desc`,
    [scopeId],
  )
  return result.rows.map((row) => ({
    id: row.id,
    publicPart: row.public_part,
    caSignature: row.ca_signature,
  }))
}

export async function insertKey(
  db: Db,
  scopeId: ScopeId,
  key: PrivateKey & { purpose: KeyPurpose },
  master: MasterKey,
): Promise<void> {
  const { purpose } = key
  await db.query(
    `insert into platform_key (scope_id, id, purpose, public_part, sealed_private, master_key_id) values ($1, $2, $3, $4, $5, $6)`,
    [
      scopeId,
      key.id,
      purpose,
      key.publicPart,
      seal(master, `${purpose}/${key.id}`, Buffer.from(key.privatePart)),
      master.id,
    ],
  )
}

/** Holds other processes off while the first keys are made; until the transaction ends. */
export async function lockKeys(tx: Db): Promise<void> {
  await tx.query('lock table platform_key in share row exclusive mode')
}
