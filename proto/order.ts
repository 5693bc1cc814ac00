/** Signed orders: bytes with an Ed25519 signature, so that whoever relays them cannot make or change one. */
import { createHash, type KeyObject, sign, verify } from 'node:crypto'

export interface SignedOrder {
  order: Buffer
  signature: Buffer
  keyId: string
}

/** Signs the encoded bytes of an order. */
export function signOrder(order: Buffer, key: { keyId: string; privateKey: KeyObject }): SignedOrder {
  return { order, signature: sign(null, order, key.privateKey), keyId: key.keyId }
}

/** Whether `signed` was made with the private half of `publicKey`. */
export function verifyOrder(signed: SignedOrder, publicKey: KeyObject): boolean {
  return verify(null, signed.order, publicKey, signed.signature)
}

// The same key signs dispatches: with this before them, the bytes of one kind of order can never pass for the other.
const UPGRADE_CONTEXT = Buffer.from('drover.agent.v1.UpgradeOrder\n')

/** Signs the encoded bytes of an UpgradeOrder. */
export function signUpgrade(order: Buffer, key: { keyId: string; privateKey: KeyObject }): SignedOrder {
  return { ...signOrder(Buffer.concat([UPGRADE_CONTEXT, order]), key), order }
}

/** Whether `signed` is an UpgradeOrder that was signed with the private half of `publicKey`. */
export function verifyUpgrade(signed: SignedOrder, publicKey: KeyObject): boolean {
  return verifyOrder({ ...signed, order: Buffer.concat([UPGRADE_CONTEXT, signed.order]) }, publicKey)
}

/** sha256 of bytes, as orders carry it. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
