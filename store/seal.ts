/** Sealing: what may not be read from the database is encrypted by the one master key, whose id stands with it. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

export interface MasterKey {
  id: string
  key: Buffer
}

/** @param text base64 of 32 bytes */
export function parseMasterKey(text: string): MasterKey {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== 32)
    throw new Error('the master key must be 32 bytes in base64; make one with: openssl rand -base64 32')
  if (isSample(key))
    throw new Error(
      'the master key is a sample, not a secret: it was typed or counted; make one with: openssl rand -base64 32',
    )
  return {
    id: createHash('sha256').update('drover master key id').update(key).digest('hex').slice(0, 16),
    key,
  }
}

/** Whether nobody has drawn it: few different bytes, text, or a count. Random bytes look so once in 10^11 keys. */
function isSample(key: Buffer): boolean {
  const isText = key.every((byte) => byte >= 0x20 && byte < 0x7f)
  const isCount = key.every((byte, index) => index === 0 || byte === (key[index - 1] ?? 0) + 1)
  return new Set(key).size < 16 || isText || isCount
}

/** AES-256-GCM: 12 bytes of nonce, 16 of tag, then the text. `purpose` is bound to it. */
export function seal(master: MasterKey, purpose: string, plain: Buffer): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', master.key, nonce).setAAD(Buffer.from(purpose))
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** @throws if the key, the purpose or the bytes are not those of the sealing */
export function unseal(master: MasterKey, purpose: string, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', master.key, sealed.subarray(0, 12))
    .setAAD(Buffer.from(purpose))
    .setAuthTag(sealed.subarray(12, 28))
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()])
}
