/**
 * The SQL runner, as the build packs it behind the agent's code (stack/prepare/pack-agent.mjs): a comment to Node, so that
 * the agent carries no database driver, and part of the one file that is installed, ordered and hashed.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

const MARK = Buffer.from('\n//drover-sql-runner ')

let known: { program: string; isThere: boolean } | undefined

/** There is no runner, or not the one that was packed. */
export class SqlRunnerFault extends Error {
  override name = 'SqlRunnerFault'
}

/** Whether the agent's file brings a runner; looked for once. */
export function hasSqlRunner(program: string): boolean {
  if (known?.program !== program) known = { program, isThere: findPacked(program) !== undefined }
  return known.isThere
}

/** The runner's code. @throws SqlRunnerFault */
export function unpackSqlRunner(program: string): Buffer {
  const found = findPacked(program)
  if (!found) throw new SqlRunnerFault(`${program} brings no SQL runner`)
  const code = unpack(found.packed)
  if (code && createHash('sha256').update(code).digest('hex') === found.sha256) return code
  throw new SqlRunnerFault(`the SQL runner in ${program} is damaged: install the agent anew`)
}

function unpack(packed: string): Buffer | undefined {
  try {
    return brotliDecompressSync(Buffer.from(packed, 'base64'))
  } catch {
    return undefined
  }
}

function findPacked(program: string): { sha256: string; packed: string } | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(program)
  } catch {
    return undefined
  }
  const at = bytes.lastIndexOf(MARK)
  const found =
    at < 0
      ? undefined
      : /^([0-9a-f]{64}) ([A-Za-z0-9+/=]+)\n$/.exec(bytes.toString('latin1', at + MARK.length))
  return found?.[1] && found[2] ? { sha256: found[1], packed: found[2] } : undefined
}
