/** Proofs: the bytes that are signed where a gateway only relays, so that it can neither make nor change what it carries. */

/** Signed with the key of the join token's secret: who holds the token asks for this name and this key. */
export function joinProof(name: string, csr: Uint8Array): Buffer {
  return bytesOf('join', Buffer.from(name), csr)
}

/** Signed with the key of the certificate that is to be renewed. */
export function renewalProof(csr: Uint8Array): Buffer {
  return bytesOf('renewal', csr)
}

/** Signed with the key of the gateway's secret. */
export function gatewayProof(name: string, csr: Uint8Array): Buffer {
  return bytesOf('gateway', Buffer.from(name), csr)
}

/** Signed with the key of the certificate authority: this key signs orders. */
export function signingKeyProof(keyId: string, publicKey: Uint8Array): Buffer {
  return bytesOf('signing key', Buffer.from(keyId), publicKey)
}

// Each part with its length before it: no two lists of parts give the same bytes, and no kind passes for another.
function bytesOf(kind: string, ...parts: Uint8Array[]): Buffer {
  const lengths = parts.map((part) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.length)
    return length
  })
  return Buffer.concat([
    Buffer.from(`drover.agent.v1 ${kind}\n`),
    ...parts.flatMap((part, index) => [lengths[index] ?? Buffer.alloc(0), part]),
  ])
}
