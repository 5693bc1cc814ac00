/** The bytes of proofs: no proof stands for another. */
import { gatewayProof, joinProof, renewalProof, signingKeyProof } from './proof.js'

describe('the bytes of a proof', () => {
  it('differ wherever a part, a border between parts or the kind differs', () => {
    const csr = Buffer.from('csr')
    const all = [
      joinProof('web', csr),
      joinProof('we', Buffer.from('bcsr')),
      joinProof('webcsr', Buffer.alloc(0)),
      joinProof('', Buffer.from('webcsr')),
      gatewayProof('web', csr),
      signingKeyProof('web', csr),
      renewalProof(csr),
      renewalProof(Buffer.concat([Buffer.from('web'), csr])),
    ].map((bytes) => bytes.toString('hex'))
    expect(new Set(all).size).toBe(all.length)
  })
})
