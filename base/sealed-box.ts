/**
 * Sealed boxes: whoever has the public half of a P-256 key can close one, only the holder of its private half can open it.
 * ECDH with a key that is thrown away, HKDF-SHA256, AES-256-GCM.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  type ECDH,
  hkdfSync,
  randomBytes,
} from 'node:crypto'

const CURVE = 'prime256v1'
const VERSION = 1
/** Of a point of P-256, uncompressed. */
const POINT_BYTES = 65
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The public key of a SPKI or PKCS#8 PEM as a point, 65 bytes. @throws if it is none of P-256 */
export function pointOf(pem: string | Buffer): Buffer {
  const { kty, crv, x, y } = createPublicKey(pem).export({ format: 'jwk' })
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y) throw new Error('the key is none of P-256')
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

/** The name of a public key: it says which private half opens what was closed for it. */
export function pointId(point: Uint8Array): string {
  return createHash('sha256').update(point).digest('hex').slice(0, 16)
}

export interface BoxSender {
  /** @param context bound to the box: it opens only with the same */
  close: (recipient: Uint8Array, context: string, plain: Uint8Array) => Buffer
}

/**
 * A sender with a key of its own, which is forgotten with it. One may close many boxes: the recipient and the context are part
 * of what each box's key is derived from.
 */
export function createSender(): BoxSender {
  const own = createECDH(CURVE)
  const sender = own.generateKeys()
  return {
    close(recipient, context, plain) {
      const key = boxKey(own.computeSecret(recipient), { sender, recipient, context })
      return Buffer.concat([Buffer.from([VERSION]), sender, encrypt(key, context, plain)])
    },
  }
}

/** @throws if the key, the context or the bytes are not those of the closing */
export function openBox(privateKeyPem: string, context: string, box: Uint8Array): Buffer {
  if (box[0] !== VERSION) throw new Error('the box is of a version that is not known here')
  const own = holderOf(privateKeyPem)
  const sender = box.subarray(1, 1 + POINT_BYTES)
  const key = boxKey(own.computeSecret(sender), { sender, recipient: own.getPublicKey(), context })
  return decrypt(key, context, box.subarray(1 + POINT_BYTES))
}

function holderOf(privateKeyPem: string): ECDH {
  const { d } = createPrivateKey(privateKeyPem).export({ format: 'jwk' })
  const own = createECDH(CURVE)
  own.setPrivateKey(Buffer.from(d ?? '', 'base64url'))
  return own
}

function boxKey(secret: Buffer, of: { sender: Uint8Array; recipient: Uint8Array; context: string }): Buffer {
  const info = Buffer.concat([
    Buffer.from('drover sealed box 1\n'),
    of.sender,
    of.recipient,
    Buffer.from(of.context),
  ])
  return Buffer.from(hkdfSync('sha256', secret, '', info, 32))
}

/** AES-256-GCM under a key of 32 bytes, `context` bound to it: nonce, tag, then the text. */
export function encrypt(key: Buffer, context: string, plain: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
  const text = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text])
}

/** @throws if the key, the context or the bytes are not those of `encrypt` */
export function decrypt(key: Buffer, context: string, sealed: Uint8Array): Buffer {
  const tagEnd = NONCE_BYTES + TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(NONCE_BYTES, tagEnd))
  return Buffer.concat([decipher.update(sealed.subarray(tagEnd)), decipher.final()])
}
