/** The vault: opens what is stored of secrets, in workers alone. */
import { createLogger } from '../base/logger.js'
import { openEnvelope } from '../store/secret-envelope.js'
import type { PrivateKey } from '../store/postgres/platform-keys.js'
import type { StoredSecret } from '../store/postgres/secrets.js'

const log = createLogger('worker:secrets')

export class SecretVault {
  private readonly keys: ReadonlyMap<string, string>

  /** @param keys all that a secret may have been sealed to */
  constructor(keys: readonly PrivateKey[]) {
    this.keys = new Map(keys.map((key) => [key.id, key.privatePart]))
  }

  /** Undefined where this platform has no key for it, or the row is not what was written: a run must be able to end all the same. */
  open(stored: StoredSecret): Buffer | undefined {
    const { secret, version, keyId } = stored
    const key = this.keys.get(keyId)
    try {
      if (key === undefined) throw new Error(`this platform does not have the key ${keyId}`)
      return openEnvelope(key, stored, stored)
    } catch (err) {
      log.error({ err, secret, version, keyId }, 'a secret cannot be opened: set it anew')
      return undefined
    }
  }
}
