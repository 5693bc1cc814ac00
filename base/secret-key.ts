/** Keys from shared secrets: who has the secret can sign, who has only the public half can check, and neither shows the secret. */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'

/** What a secret is for: one secret gives another key for each. */
export type SecretPurpose = 'drover join token' | 'drover gateway'

export interface SecretKey {
  /** Ed25519 */
  privateKey: KeyObject
  /** 32 bytes */
  publicKey: Buffer
}

// Of an Ed25519 private key in PKCS#8 (RFC 8410): all but the seed itself.
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The key of a secret, always the same. The secret must be random: nothing here slows a guess down. */
export function keyOfSecret(secret: string, purpose: SecretPurpose): SecretKey {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { privateKey, publicKey: spki.subarray(-32) }
}

/** Of the 32 bytes of a public half. @throws if they are not 32 */
export function publicKeyOf(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

/**
 * What the gateway of a name proves itself with, derived from the master key so that no table needs to hold it.
 * @param masterKey base64 of 32 bytes
 */
export function gatewaySecret(masterKey: string, name: string): string {
  const secret = hkdfSync('sha256', Buffer.from(masterKey.trim(), 'base64'), '', `drover gateway ${name}`, 32)
  return `drg_${Buffer.from(secret).toString('base64url')}`
}
