import { generateKeyPairSync } from 'node:crypto'
import { createSender, decrypt, encrypt, openBox, pointId, pointOf } from './sealed-box.js'

function makeKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { pem, point: pointOf(pem) }
}

const own = makeKey()
const other = makeKey()
const plain = Buffer.from('the text\0 and bytes \xff', 'latin1')

describe('a sealed box', () => {
  it('opens with the private half and the context that it was closed with', () => {
    const box = createSender().close(own.point, 'a context', plain)
    expect(openBox(own.pem, 'a context', box)).toEqual(plain)
    expect(box.includes(plain)).toBe(false)
  })

  it('opens with no other key, under no other context, and with no byte changed', () => {
    const box = createSender().close(own.point, 'a context', plain)
    expect(() => openBox(other.pem, 'a context', box)).toThrow()
    expect(() => openBox(own.pem, 'another', box)).toThrow()
    for (let at = 0; at < box.length; at++) {
      const changed = Buffer.from(box)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(() => openBox(own.pem, 'a context', changed)).toThrow()
    }
    for (const length of [0, 1, 65, 66, 80, 93])
      expect(() => openBox(own.pem, 'a context', box.subarray(0, length))).toThrow()
  })

  it('is another one each time, also of one sender for one recipient', () => {
    const sender = createSender()
    const boxes = [sender.close(own.point, 'c', plain), sender.close(own.point, 'c', plain)]
    expect(boxes[0]?.equals(boxes[1] ?? Buffer.alloc(0))).toBe(false)
    expect(boxes.map((box) => openBox(own.pem, 'c', box))).toEqual([plain, plain])
  })

  it('of one sender for two recipients opens for each its own only', () => {
    const sender = createSender()
    const mine = sender.close(own.point, 'c', plain)
    const theirs = sender.close(other.point, 'c', plain)
    expect(openBox(other.pem, 'c', theirs)).toEqual(plain)
    expect(() => openBox(own.pem, 'c', theirs)).toThrow()
    expect(() => openBox(other.pem, 'c', mine)).toThrow()
  })

  it('is closed for no point that is not on the curve', () => {
    const off = Buffer.from(own.point)
    off.writeUInt8(off.readUInt8(64) ^ 1, 64)
    expect(() => createSender().close(off, 'c', plain)).toThrow()
  })
})

describe('the name of a key', () => {
  it('is the same for its public and its private half, and another for another key', () => {
    expect(pointId(pointOf(own.pem))).toBe(pointId(own.point))
    expect(pointId(own.point)).toMatch(/^[0-9a-f]{16}$/)
    expect(pointId(own.point)).not.toBe(pointId(other.point))
  })

  it('is not given to keys of other curves', () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    expect(() => pointOf(publicKey.export({ type: 'spki', format: 'pem' }).toString())).toThrow(/P-256/)
  })
})

describe('a text under a key', () => {
  it('opens with that key and its context only', () => {
    const [key, wrong] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const sealed = encrypt(key, 'c', plain)
    expect(decrypt(key, 'c', sealed)).toEqual(plain)
    expect(() => decrypt(wrong, 'c', sealed)).toThrow()
    expect(() => decrypt(key, 'd', sealed)).toThrow()
    // A short tag would be quick to guess.
    expect(() => decrypt(key, 'c', sealed.subarray(0, 20))).toThrow()
  })
})
