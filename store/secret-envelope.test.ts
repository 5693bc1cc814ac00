import { generateKeyPairSync } from 'node:crypto'
import type { ScopeId } from '../domain/id.js'
import { closeEnvelope, openEnvelope } from './secret-envelope.js'

function makeKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    id: 'k',
    publicPart: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privatePart: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

const key = makeKey()
const place = { scopeId: '1' as ScopeId, secret: 'db', version: 3 }
const value = Buffer.from('pässword\n')

describe('an envelope', () => {
  it('is closed with the public half and opens with the private one', () => {
    const { privatePart, ...open } = key
    const envelope = closeEnvelope(open, place, value)
    expect(envelope.keyId).toBe('k')
    expect(openEnvelope(privatePart, place, envelope)).toEqual(value)
    expect(Buffer.concat([envelope.sealedKey, envelope.sealedValue]).includes(value)).toBe(false)
  })

  it('opens with no other key', () => {
    expect(() => openEnvelope(makeKey().privatePart, place, closeEnvelope(key, place, value))).toThrow()
  })

  it.each([
    ['scope', { ...place, scopeId: '2' as ScopeId }],
    ['secret', { ...place, secret: 'dc' }],
    ['version', { ...place, version: 4 }],
  ])('opens in the place of no other %s', (_what, other) => {
    expect(() => openEnvelope(key.privatePart, other, closeEnvelope(key, place, value))).toThrow()
  })

  it('cannot be put together of two', () => {
    const [one, two] = [closeEnvelope(key, place, value), closeEnvelope(key, place, Buffer.from('other'))]
    const mixed = { sealedKey: one.sealedKey, sealedValue: two.sealedValue }
    expect(() => openEnvelope(key.privatePart, place, mixed)).toThrow()
  })
})
