/** The host's keys, as far as something may be sealed for them: today's, the one that a renewal brought, and former ones for a while. */
import { openBox, pointId, pointOf } from '../../base/sealed-box.js'
import type { Identity } from './store.js'

export class HostKeys {
  private readonly identity: Identity
  /** Ids by keys: working one out takes longer than looking it up. */
  private readonly ids = new Map<string, string>()

  constructor(identity: Identity) {
    this.identity = identity
  }

  /** What a box holds; undefined if this host has no key of that id. @throws if the box is none for it */
  open(keyId: string, context: string, box: Uint8Array): Buffer | undefined {
    const { current, next, former } = this.identity
    const pem = [current.keyPem, ...(next ? [next.keyPem] : []), ...former].find(
      (key) => this.idOf(key) === keyId,
    )
    return pem === undefined ? undefined : openBox(pem, context, box)
  }

  private idOf(keyPem: string): string {
    const known = this.ids.get(keyPem) ?? pointId(pointOf(keyPem))
    this.ids.set(keyPem, known)
    return known
  }
}
