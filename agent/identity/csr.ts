/**
 * Certificate requests (PKCS#10), made on the host so that the private key never leaves it. The few bytes of DER are
 * written here because an ASN.1 library costs an idle agent several MB.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

/** A fresh P-256 key, PKCS#8 PEM. */
export function generateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** A request for `keyPem` in DER; its subject is empty because the CA decides the name. */
export function makeCsr(keyPem: string): Buffer {
  const key = createPrivateKey(keyPem)
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const version = Buffer.from([0x02, 0x01, 0x00])
  const subject = element(0x30)
  const attributes = element(0xa0)
  const info = element(0x30, version, subject, spki, attributes)
  const signature = sign('sha256', info, key)
  return element(0x30, info, ecdsaWithSha256, element(0x03, Buffer.from([0]), signature))
}

// SEQUENCE { OBJECT IDENTIFIER 1.2.840.10045.4.3.2 }
const ecdsaWithSha256 = Buffer.from([0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])

function element(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag, ...derLength(body.length)]), body])
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  return [0x82, length >> 8, length & 0xff]
}
