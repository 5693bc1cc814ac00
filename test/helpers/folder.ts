/** What lies in folders: for suites that look for a text where it must not be. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Files below a folder, but for those of a PostgreSQL server, which is asked itself. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'postgres' ? [] : filesBelow(at)
    return entry.isFile() ? [at] : []
  })
}

/** What ended or was removed meanwhile holds nothing. */
export function readIfThere(at: string): string {
  try {
    return readFileSync(at, 'latin1')
  } catch {
    return ''
  }
}
