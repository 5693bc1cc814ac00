/** Envelopes: a secret's value under a key of its version alone, which is sealed to the platform's public key. Closing needs no private key. */
import { randomBytes } from 'node:crypto'
import type { ScopeId } from '../domain/id.js'
import { createSender, decrypt, encrypt, openBox, pointOf } from '../base/sealed-box.js'

/** Which version a value is of: bound to it, so that no row can stand for another. */
export interface SecretPlace {
  scopeId: ScopeId
  secret: string
  version: number
}

export interface Envelope {
  /** Of the platform's key. */
  keyId: string
  sealedKey: Buffer
  sealedValue: Buffer
}

/** @param key the platform's public key of the purpose `secrets`, PEM */
export function closeEnvelope(
  key: { id: string; publicPart: string },
  place: SecretPlace,
  value: Uint8Array,
): Envelope {
  const own = randomBytes(32)
  const context = contextOf(place)
  return {
    keyId: key.id,
    sealedKey: createSender().close(pointOf(key.publicPart), context, own),
    sealedValue: encrypt(own, context, value),
  }
}

/** @throws if the key or the place are not those of the closing */
export function openEnvelope(
  privatePart: string,
  place: SecretPlace,
  envelope: Pick<Envelope, 'sealedKey' | 'sealedValue'>,
): Buffer {
  const context = contextOf(place)
  return decrypt(openBox(privatePart, context, envelope.sealedKey), context, envelope.sealedValue)
}

// A name has none of these characters, so that no two places give the same text.
const contextOf = ({ scopeId, secret, version }: SecretPlace) =>
  `drover secret\n${scopeId}\n${secret}\n${version}`
