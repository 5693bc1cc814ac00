/** The master key: which are taken, and what is sealed by one. */
import { randomBytes } from 'node:crypto'
import { parseMasterKey, seal, unseal } from './seal.js'

describe('a master key', () => {
  it('is 32 random bytes in base64, whatever they are', () => {
    for (let i = 0; i < 2_000; i++) {
      const text = randomBytes(32).toString('base64')
      expect(parseMasterKey(`${text}\n`).key.toString('base64')).toBe(text)
    }
  })

  it.each([
    ['zeros', Buffer.alloc(32)],
    ['one byte again and again', Buffer.alloc(32, 0xab)],
    ['a pattern', Buffer.alloc(32, 'deadbeef', 'hex')],
    ['a sentence', Buffer.from('change-me-change-me-change-me-32')],
    ['letters that look random', Buffer.from('qX7vLp2Zr9TnKc4WmYb8HdGs6JfAe3Uo')],
    ['a count', Buffer.from(Array.from({ length: 32 }, (_, i) => i + 1))],
  ])('is refused as a sample: %s', (_what, key) => {
    expect(() => parseMasterKey(key.toString('base64'))).toThrow(/sample, not a secret.*openssl rand/)
  })

  it.each(['', 'x', randomBytes(16).toString('base64'), randomBytes(64).toString('base64')])(
    'is refused with another length: %j',
    (text) => {
      expect(() => parseMasterKey(text)).toThrow(/32 bytes/)
    },
  )
})

describe('what is sealed', () => {
  const master = parseMasterKey(randomBytes(32).toString('base64'))
  const sealed = seal(master, 'ca', Buffer.from('a private key'))

  it('is opened by the same key for the same purpose', () => {
    expect(unseal(master, 'ca', sealed).toString()).toBe('a private key')
    expect(sealed.toString('latin1')).not.toContain('private')
  })

  it('is opened by no other key, for no other purpose, and not when a bit has changed', () => {
    const other = parseMasterKey(randomBytes(32).toString('base64'))
    expect(() => unseal(other, 'ca', sealed)).toThrow()
    expect(() => unseal(master, 'order', sealed)).toThrow()
    for (const at of [0, 15, sealed.length - 1]) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(() => unseal(master, 'ca', changed)).toThrow()
    }
  })
})
