import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createSender, decrypt, encrypt, openBox, pointId, pointOf } from '../base/sealed-box.js'
import { SealedSecrets } from './generated/drover/agent/v1/task.js'
import {
  openSecrets as openWith,
  type Opening,
  type SealRecipient,
  sealSecrets as sealWith,
} from './sealed-secrets.js'

function makeHost() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const point = pointOf(pem)
  const keyId = pointId(point)
  return {
    keyId,
    recipient: {
      keyId,
      close: (context: string, plain: Buffer) => createSender().close(point, context, plain),
    },
    open: (id: string, context: string, box: Buffer) =>
      id === keyId ? openBox(pem, context, box) : undefined,
  }
}

const sealSecrets = (dispatchId: Buffer, recipients: SealRecipient[], values: Map<string, Buffer>) =>
  sealWith({ dispatchId, recipients, values }, encrypt)
const openSecrets = (dispatchId: Buffer, bytes: Uint8Array, open: Opening['open']) =>
  openWith(dispatchId, bytes, { open, decrypt })

const host = makeHost()
const renewed = makeHost()
const stranger = makeHost()
const id = randomBytes(32)
const values = new Map([
  ['TOKEN', Buffer.from('hunter2hunter2')],
  ['KEY', Buffer.from(`-----BEGIN\n${'x'.repeat(60_000)}\nÄ 🗝\n`)],
  ['EMPTY', Buffer.alloc(0)],
])

describe('sealed secrets', () => {
  it('open byte for byte with any key that they were sealed for', () => {
    const sealed = sealSecrets(id, [host.recipient, renewed.recipient], values)
    expect(openSecrets(id, sealed, host.open)).toEqual(values)
    expect(openSecrets(id, sealed, renewed.open)).toEqual(values)
    for (const value of ['hunter2', 'BEGIN']) expect(sealed.includes(value)).toBe(false)
  })

  it('are of no use to another host, nor for another dispatch', () => {
    const sealed = sealSecrets(id, [host.recipient], values)
    expect(() => openSecrets(id, sealed, stranger.open)).toThrow(/none of the keys/)
    expect(() => openSecrets(randomBytes(32), sealed, host.open)).toThrow()
    // A box that is told to be another host's does not open either.
    expect(() =>
      openSecrets(id, sealed, (_id, context, box) => stranger.open(stranger.keyId, context, box)),
    ).toThrow()
  })

  it('cannot be given under another name, nor changed', () => {
    const sealed = SealedSecrets.decode(sealSecrets(id, [host.recipient], values))
    const [first, second] = sealed.values
    const swapped = { ...sealed, values: [{ ...first!, name: second!.name }] }
    expect(() => openSecrets(id, SealedSecrets.encode(swapped as never).finish(), host.open)).toThrow()
    const box = Buffer.from(first!.sealed)
    box.writeUInt8(box.readUInt8(40) ^ 1, 40)
    const changed = { ...sealed, values: [{ ...first!, sealed: box }] }
    expect(() => openSecrets(id, SealedSecrets.encode(changed as never).finish(), host.open)).toThrow()
  })

  it('do not tell how long a short value is', () => {
    const lengths = [0, 1, 8, 100, 252].map(
      (length) => sealSecrets(id, [host.recipient], new Map([['A', Buffer.alloc(length, 97)]])).length,
    )
    expect(new Set(lengths).size).toBe(1)
  })

  it('cost well under a second for a shard of 1,000 hosts', () => {
    const before = performance.now()
    const { close } = createSender()
    const some = new Map(['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'].map((name) => [name, Buffer.alloc(64, 1)]))
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const point = pointOf(publicKey.export({ type: 'spki', format: 'pem' }).toString())
    for (let n = 0; n < 1_000; n++) {
      const recipient = {
        keyId: 'k',
        close: (context: string, plain: Buffer) => close(point, context, plain),
      }
      sealSecrets(randomBytes(32), [recipient, recipient], some)
    }
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})
