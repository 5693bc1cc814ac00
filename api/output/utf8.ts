/** Bytes as text, where they are text: characters are never split between two chunks. */

/** Length of the part of `bytes` that does not end inside a character. */
export function wholeCharacters(bytes: Buffer): number {
  // A character has at most 4 bytes, so only the last 3 can begin one that is not whole.
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needs > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** `text` if the bytes are UTF-8, else `bytes` in base64: what was written is never changed on the way. */
export function textOrBytes(data: Buffer): { text: string } | { bytes: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data) }
  } catch {
    return { bytes: data.toString('base64') }
  }
}
