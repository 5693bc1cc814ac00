/** Mutations, done once: the audit row first, then the work and its answer in one transaction under the key's lock. */
import { createHash, createHmac, type Hash, hkdfSync, type Hmac } from 'node:crypto'
import type { Request } from 'express'
import { PlatformError } from '../domain/errors.js'
import { seal, unseal } from '../store/seal.js'
import { appendAudit } from '../store/postgres/audit.js'
import {
  findAnswer,
  type IdempotentAnswer,
  insertAnswer,
  lockIdempotencyKey,
} from '../store/postgres/idempotency.js'
import { transaction } from '../store/postgres/transaction.js'
import { bearerToken } from './auth/authorize.js'
import type { Operation, ScopedCall } from './operation.js'

export interface WriteAnswer {
  status: number
  body: unknown
  replayed: boolean
}

/**
 * @param raw the body's bytes: the same key with other bytes is a conflict
 * @throws PlatformError idempotency_key_missing, idempotency_conflict, unavailable
 */
export async function runWrite(
  op: Operation,
  call: ScopedCall,
  request: Request,
  raw: Buffer,
): Promise<WriteAnswer> {
  const { pool } = call.services
  const key = { scopeId: call.scope.id, principalId: call.caller.principalId, key: readKey(request) }
  const isSecret = typeof op.secret === 'function' ? op.secret(call) : op.secret === true
  const requestSha256 = hasher(isSecret, request)
    .update(`${request.method} ${request.originalUrl}\n`)
    .update(raw)
    .digest()
  const vault = isSecret ? vaultOf(bearerToken(request.headers)) : clear
  let stored = await findAnswer(pool, key)
  let body: unknown
  if (!stored) {
    await writeAudit(op, call, key.key)
    stored = await transaction(pool, async (tx) => {
      await lockIdempotencyKey(tx, key)
      const earlier = await findAnswer(tx, key)
      if (earlier) return earlier
      body = await op.write?.(call, tx)
      await insertAnswer(tx, key, { requestSha256, status: op.status ?? 200, body: vault.close(body) })
      return undefined
    })
  }
  const replayed = stored !== undefined
  if (stored) body = vault.open(sameRequest(stored, requestSha256).body)
  if (op.finish) body = await op.finish(call, body, replayed)
  return { status: op.status ?? 200, body, replayed }
}

/** A plain hash of a short secret is as good as the secret to who can guess: it is keyed by what the database has only a hash of. */
function hasher(isSecret: boolean, request: Request): Hash | Hmac {
  if (!isSecret) return createHash('sha256')
  const key = hkdfSync('sha256', bearerToken(request.headers), '', 'drover idempotent request', 32)
  return createHmac('sha256', Buffer.from(key))
}

function readKey(request: Request): string {
  const key = request.get('idempotency-key')
  if (key === undefined || !/^[\x20-\x7e]{1,128}$/.test(key)) {
    throw new PlatformError(
      'idempotency_key_missing',
      'send an Idempotency-Key header of 1 to 128 printable ASCII characters, a new one for each action and the same one for each repeat of it',
    )
  }
  return key
}

function sameRequest(stored: IdempotentAnswer, requestSha256: Buffer): IdempotentAnswer {
  if (stored.requestSha256.equals(requestSha256)) return stored
  throw new PlatformError(
    'idempotency_conflict',
    'this Idempotency-Key was used for another request; use a new key for a new action',
  )
}

async function writeAudit(op: Operation, call: ScopedCall, key: string): Promise<void> {
  const told = op.audit?.(call) ?? { resource: '', detail: {} }
  try {
    await appendAudit(call.services.pool, {
      scopeId: call.scope.id,
      principalId: call.caller.principalId,
      action: op.name,
      resource: told.resource,
      requestId: call.requestId,
      detail: { ...told.detail, idempotencyKey: key },
    })
  } catch (error) {
    throw new PlatformError(
      'unavailable',
      'the audit log cannot be written, so nothing was done; try again',
      { cause: error },
    )
  }
}

interface Vault {
  close(body: unknown): unknown
  open(stored: unknown): unknown
}

const clear: Vault = { close: (body) => body, open: (stored) => stored }

/** Keeps an answer readable for whoever holds the token of the request: the database has only the token's hash. */
function vaultOf(token: string): Vault {
  const key = Buffer.from(hkdfSync('sha256', token, '', 'drover idempotent answer', 32))
  const master = { id: '', key }
  return {
    close: (body) => ({
      sealed: seal(master, 'idempotency', Buffer.from(JSON.stringify(body))).toString('base64'),
    }),
    open: (stored) => {
      try {
        const { sealed } = stored as { sealed: string }
        return JSON.parse(unseal(master, 'idempotency', Buffer.from(sealed, 'base64')).toString())
      } catch (error) {
        throw new PlatformError(
          'idempotency_conflict',
          'the answer holds a secret and is given again only to the token that asked for it; use a new key',
          {
            cause: error,
          },
        )
      }
    },
  }
}
