/** What agents must trust: the CA's certificates and the keys that sign orders; public halves only. */
import { createPublicKey } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ScopeId } from '../domain/id.js'
import { listPublicKeys, listSigningKeys } from '../store/postgres/platform-keys.js'
import type { Db } from '../store/postgres/pool.js'

export interface Trust {
  /** PEM, concatenated, newest first. */
  ca: string
  signingKeys: { keyId: string; publicKey: Buffer; caSignature: Buffer }[]
}

/** Waits until a worker has made the platform's keys. */
export async function loadTrust(db: Db, scopeId: ScopeId, signal: AbortSignal): Promise<Trust> {
  for (;;) {
    const authorities = await listPublicKeys(db, scopeId, 'ca')
    const signing = await listSigningKeys(db, scopeId)
    if (authorities.length && signing.length) {
      return {
        ca: authorities.map((key) => key.publicPart.trim()).join('\n'),
        signingKeys: signing.map((key) => ({
          keyId: key.id,
          publicKey: createPublicKey(key.publicPart).export({ type: 'spki', format: 'der' }),
          caSignature: key.caSignature,
        })),
      }
    }
    await sleep(300, undefined, { signal })
  }
}
