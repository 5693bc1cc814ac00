/** Redaction of service logs: every line passes here before it leaves the process. */

// Token shapes that Drover itself issues (docs/glossary.md: token), and the two headers that carry foreign ones.
const patterns: [RegExp, string][] = [
  [/\bdr([jt])_[A-Za-z0-9_-]{16,}/g, 'dr$1_[redacted]'],
  [/(authorization"?\s*[:=]\s*"?(?:bearer|basic)\s+)[^"\s,]+/gi, '$1[redacted]'],
  [/(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----)/g, '$1[redacted]$2'],
  [/(\w+:\/\/[^:/\s"]+:)[^@\s"]+@/g, '$1[redacted]@'],
]

/** `text` with every secret that has a known shape replaced. */
export function redactText(text: string): string {
  return patterns.reduce((line, [pattern, to]) => line.replace(pattern, to), text)
}
