/** The version of this build, from the package. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

let known: string | undefined

export function version(): string {
  known ??= readVersion()
  return known
}

// Sources stand in api/, compiled code in dist/api/.
function readVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      const text = readFileSync(path.join(__dirname, up, 'package.json'), 'utf8')
      return (JSON.parse(text) as { version: string }).version
    } catch {
      // The other place.
    }
  }
  return 'unknown'
}
