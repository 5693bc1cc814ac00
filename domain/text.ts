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
