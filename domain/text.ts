/** Text that enters at an edge: what PostgreSQL cannot keep, or no one can display, is refused there. */

/** Why `text` cannot be kept as text, or undefined if it can. */
export function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character'
  if (/\p{Surrogate}/u.test(text)) return 'contains half of a surrogate pair'
  return undefined
}

/** The first fault in any string or key inside `value` (JSON), with its path, or undefined. */
export function deepTextFault(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string') {
    const fault = textFault(value)
    return fault && `${path || 'value'} ${fault}`
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const where = path ? `${path}.${key}` : key
    const fault = textFault(key)
      ? `a key under ${path || 'the body'} ${textFault(key)}`
      : deepTextFault(inner, where)
    if (fault) return fault
  }
  return undefined
}

/** The first `max` characters (UTF-16) of `text`, never half of a surrogate pair at the end. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text
  const last = text.charCodeAt(max - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max)
}

/** Length of `text` in UTF-8, bytes. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (const char of text) bytes += utf8Bytes(char)
  return bytes
}

/** As much of `text` as fits into `max` bytes of UTF-8, without half a character. */
export function cutBytes(text: string, max: number): string {
  let bytes = 0
  let end = 0
  for (const char of text) {
    bytes += utf8Bytes(char)
    if (bytes > max) return text.slice(0, end)
    end += char.length
  }
  return text
}

function utf8Bytes(char: string): number {
  const code = char.codePointAt(0) ?? 0
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
}
