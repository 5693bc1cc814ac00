/** The version of this command line: that of the package it came in. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export function cliVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      return (JSON.parse(readFileSync(join(__dirname, up, 'package.json'), 'utf8')) as { version: string })
        .version
    } catch {
      // Sources stand one folder higher than compiled code.
    }
  }
  return 'unknown'
}
