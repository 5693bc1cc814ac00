/** Sealed secrets: the values of one task for one host, in bytes that nobody can open on the way. The ciphers are the caller's (base/sealed-box.ts). */
import { randomBytes } from 'node:crypto'
import { SealedSecrets } from './generated/drover/agent/v1/task.js'

/** A key that the host may have. */
export interface SealRecipient {
  keyId: string
  /** Closes a box for it. */
  close: (context: string, plain: Buffer) => Buffer
}

type Cipher = (key: Buffer, context: string, bytes: Uint8Array) => Buffer

export interface Sealing {
  dispatchId: Uint8Array
  recipients: readonly SealRecipient[]
  /** By name. */
  values: ReadonlyMap<string, Uint8Array>
}

const PADDED_BYTES = 256
const LENGTH_BYTES = 4

/** The encoded SealedSecrets; its sha256 belongs into the signed order. */
export function sealSecrets({ dispatchId, recipients, values }: Sealing, encrypt: Cipher): Buffer {
  const key = randomBytes(32)
  const id = Buffer.from(dispatchId).toString('hex')
  const sealed = SealedSecrets.encode({
    keys: recipients.map(({ keyId, close }) => ({ keyId, box: close(keyContext(id), key) })),
    values: [...values].map(([name, value]) => ({
      name,
      sealed: encrypt(key, valueContext(id, name), pad(value)),
    })),
  })
  return Buffer.from(sealed.finish())
}

export interface Opening {
  /** Opens a box with the private half of a key; undefined where that is not had. */
  open: (keyId: string, context: string, box: Buffer) => Buffer | undefined
  decrypt: Cipher
}

/**
 * The values by their names.
 * @throws if no key of the host is among the recipients, or the bytes are not those that were sealed for this dispatch
 */
export function openSecrets(
  dispatchId: Uint8Array,
  bytes: Uint8Array,
  { open, decrypt }: Opening,
): Map<string, Buffer> {
  const id = Buffer.from(dispatchId).toString('hex')
  const sealed = SealedSecrets.decode(bytes)
  for (const { keyId, box } of sealed.keys) {
    const key = open(keyId, keyContext(id), box)
    if (!key) continue
    return new Map(
      sealed.values.map(({ name, sealed: value }) => [
        name,
        unpad(decrypt(key, valueContext(id, name), value)),
      ]),
    )
  }
  throw new Error('the secrets were sealed for none of the keys of this host')
}

const keyContext = (id: string) => `drover.agent.v1 secrets\n${id}`
const valueContext = (id: string, name: string) => `drover.agent.v1 secret\n${id}\n${name}`

/** So that a gateway does not learn how long a password is. */
function pad(value: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil((LENGTH_BYTES + value.length) / PADDED_BYTES) * PADDED_BYTES)
  padded.writeUInt32BE(value.length)
  padded.set(value, LENGTH_BYTES)
  return padded
}

function unpad(padded: Buffer): Buffer {
  return padded.subarray(LENGTH_BYTES, LENGTH_BYTES + padded.readUInt32BE())
}
