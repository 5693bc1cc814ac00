/** Keys from secrets: the same for both sides, and for nobody else. */
import { sign, verify } from 'node:crypto'
import { gatewaySecret, keyOfSecret, publicKeyOf } from './secret-key.js'

describe('the key of a secret', () => {
  it('is the same wherever it is derived, and its public half checks what it signs', () => {
    const [one, two] = [keyOfSecret('s', 'drover join token'), keyOfSecret('s', 'drover join token')]
    const bytes = Buffer.from('asked for')
    const signature = sign(null, bytes, one.privateKey)
    expect(two.publicKey.equals(one.publicKey)).toBe(true)
    expect(verify(null, bytes, publicKeyOf(two.publicKey), signature)).toBe(true)
    expect(verify(null, Buffer.from('something else'), publicKeyOf(two.publicKey), signature)).toBe(false)
  })

  it('is another for another secret or purpose', () => {
    const keys = [
      keyOfSecret('s', 'drover join token'),
      keyOfSecret('t', 'drover join token'),
      keyOfSecret('s', 'drover gateway'),
    ].map(({ publicKey }) => publicKey.toString('hex'))
    expect(new Set(keys).size).toBe(3)
    expect(keys.map((key) => key.length)).toEqual([64, 64, 64])
  })
})

describe('the secret of a gateway', () => {
  const master = Buffer.alloc(32, 7).toString('base64')

  it('follows from the master key and the name', () => {
    expect(gatewaySecret(master, 'gateway-1')).toMatch(/^drg_[A-Za-z0-9_-]{43}$/)
    expect(gatewaySecret(`${master}\n`, 'gateway-1')).toBe(gatewaySecret(master, 'gateway-1'))
    expect(gatewaySecret(master, 'gateway-2')).not.toBe(gatewaySecret(master, 'gateway-1'))
    expect(gatewaySecret(Buffer.alloc(32, 8).toString('base64'), 'gateway-1')).not.toBe(
      gatewaySecret(master, 'gateway-1'),
    )
  })
})
