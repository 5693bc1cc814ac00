/** The commands that scripts of every language find on their PATH: `drover-get`, `drover-set` and `drover-tag`. */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '../../base/logger.js'
import { makeFolder, readIfPresent, writeFileAtomic } from '../files.js'
import { SAID, SET, TAG } from './prelude.js'

const log = createLogger('agent:tools')

/** Beside the scripts' own folders. */
export const TOOLS = 'tools'

// A value is written under another name first: whoever reads it, the agent or drover-get, finds the old one or the new one.
const tools: Record<string, string> = {
  'drover-get': `#!/bin/sh
# Prints the value of a variable of this run.
usage() { echo 'usage: drover-get [-0] NAME   (a list prints an item a line, a map its keys and values in turn; -0: NUL after each)' >&2; exit 2; }
Z=
[ "$1" != -0 ] || { Z=1; shift; }
[ $# -eq 1 ] || usage
case $1 in '' | *[!A-Za-z0-9_]*) usage ;; esac
F=$DROVER_VARIABLES/$1
[ -n "$DROVER_VARIABLES" ] && [ -e "$F" ] || { echo "drover-get: this run has no variable $1" >&2; exit 1; }
[ ! -e "$DROVER_SCRIPT_FOLDER/${SAID}/${SET}/$1" ] || F=$DROVER_SCRIPT_FOLDER/${SAID}/${SET}/$1
if [ -z "$Z" ] && [ ! -e "$DROVER_VARIABLES/.$1.string" ]; then exec tr '\\000' '\\n' < "$F"; fi
exec cat "$F"
`,
  'drover-set': `#!/bin/sh
# Sets a variable of this run for the steps after this one.
usage() { echo 'usage: drover-set NAME VALUE | drover-set NAME ITEM...   (a list)  | drover-set NAME KEY VALUE...   (a map)' >&2; exit 2; }
[ $# -ge 1 ] || usage
N=$1
shift
case $N in '' | *[!A-Za-z0-9_]*) usage ;; esac
V=$DROVER_VARIABLES
[ -n "$V" ] && [ -e "$V/$N" ] || { echo "drover-set: this run has no variable $N" >&2; exit 1; }
[ -e "$V/.$N.changeable" ] || { echo "drover-set: $N may not be changed: its definition must say changeable" >&2; exit 1; }
D=$DROVER_SCRIPT_FOLDER/${SAID}/${SET}
umask 077
mkdir -p "$D" || exit 1
T=$D/.$$
if [ -e "$V/.$N.string" ]; then
  [ $# -eq 1 ] || usage
  printf %s "$1" > "$T" || exit 1
else
  [ ! -e "$V/.$N.map" ] || [ $(($# % 2)) -eq 0 ] || usage
  : > "$T" || exit 1
  for I; do printf '%s\\000' "$I" >> "$T" || exit 1; done
fi
exec mv -f "$T" "$D/$N"
`,
  'drover-tag': `#!/bin/sh
# Says what the outcome on this host is called; results are grouped by it. The last one holds.
[ $# -ge 1 ] || { echo 'usage: drover-tag TEXT' >&2; exit 2; }
[ -n "$DROVER_SCRIPT_FOLDER" ] || { echo 'drover-tag: not in a script of drover' >&2; exit 1; }
D=$DROVER_SCRIPT_FOLDER/${SAID}
umask 077
mkdir -p "$D" || exit 1
printf %s "$*" > "$D/.tag.$$" && exec mv -f "$D/.tag.$$" "$D/${TAG}"
`,
}

/** Writes them where every account can run them, and nobody but this one change them. */
export async function makeTools(scriptsRoot: string): Promise<void> {
  const folder = join(scriptsRoot, TOOLS)
  try {
    await makeFolder(folder, 0o755)
    chmodSync(folder, 0o755)
    for (const [name, text] of Object.entries(tools)) await makeTool(join(folder, name), text)
  } catch (error) {
    // A full disk must not keep the agent down; a script that needs them says so.
    log.warn({ err: error }, 'the commands for scripts could not be written')
  }
}

/** Scripts of an older version may run just now: they keep the text that they began with. */
async function makeTool(path: string, text: string): Promise<void> {
  if ((await readIfPresent(path)) === text) return
  await writeFileAtomic(path, text, { mode: 0o755 })
  chmodSync(path, 0o755)
}
