/** The file that tells other programs where a running platform is: KEY=value lines, for its owner only. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Replaces `file` whole, with mode 0600: it holds the administrator's token. Returns its absolute path. */
export function writeEnvironmentFile(file: string, env: Record<string, string>): string {
  const path = resolve(file)
  const aside = `${path}.${process.pid}.tmp`
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(aside, lines.join(''), { mode: 0o600 })
  chmodSync(aside, 0o600)
  renameSync(aside, path)
  return path
}
