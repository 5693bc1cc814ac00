/** Join tokens: `drj_<secret>.<sha256 of the CA certificate>`; the second half pins the CA before anything is trusted. */

export interface JoinToken {
  /** What the gateway is told, with its `drj_`. */
  secret: string
  /** sha256 of the CA certificate's DER. */
  caSha256: Buffer
}

/** Throws when the text is not a join token; the message never repeats it. */
export function parseJoinToken(text: string): JoinToken {
  const found = /^(drj_[A-Za-z0-9_-]{8,})\.([A-Za-z0-9_-]{43})=?$/.exec(text.trim())
  if (!found?.[1] || !found[2]) {
    throw new Error(
      'the join token is not of the form drj_<secret>.<fingerprint>; make a new one with `drover hosts join-token`',
    )
  }
  return { secret: found[1], caSha256: Buffer.from(found[2], 'base64url') }
}
