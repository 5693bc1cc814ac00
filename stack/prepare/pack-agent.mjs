/**
 * Packs the SQL runner behind the agent's code: one file is what a host gets, an upgrade brings, and a hash covers. Node sees a
 * comment, so the agent itself carries no database driver; agent/capability/sql-runner.ts unpacks it for each task.
 */
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { root } from './root.mjs'

/** Writes `into` from the agent's code and the runner; all three are names in dist/. */
export function packAgent(agent, runner, into) {
  const code = readFileSync(join(root, 'dist', agent), 'utf8')
  const bytes = readFileSync(join(root, 'dist', runner))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const packed = brotliCompressSync(bytes).toString('base64')
  const aside = join(root, 'dist', `${into}.${process.pid}`)
  writeFileSync(aside, `${code.trimEnd()}\n//drover-sql-runner ${sha256} ${packed}\n`)
  renameSync(aside, join(root, 'dist', into))
}
