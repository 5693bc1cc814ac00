/**
 * The command file: environment, arguments and interpreter of one task as POSIX sh, byte for byte. It is written as
 * bytes because Node passes only valid UTF-8 to a child, and it is read by a shell that already runs as the account.
 */

export interface Command {
  interpreter: string[]
  /** What the shell reads before the script, if there is such a thing. */
  prelude: { file: string; shell: string } | undefined
  script: string
  /** The script's own, where variables stand and where it says what it sets. */
  folder: string
  /** Folder of commands, the last on its PATH. */
  tools: string
  arguments: Uint8Array[]
  environment: Map<string, Uint8Array>
  workingDirectory: string
}

/** What the wrapper runs: a command file that it reads itself, or words (which name one that another shell reads). */
export interface ScriptCommand {
  file: string | undefined
  words: string[]
}

const SINGLE_QUOTE = 0x27

/** Folder of the variables' values, in the script's own. */
export const VARIABLES = 'variables'

/** `bytes` as one sh word: within single quotes every byte but NUL and the quote stands for itself. */
export function quote(bytes: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [Buffer.from("'")]
  let from = 0
  for (let at = bytes.indexOf(SINGLE_QUOTE); at >= 0; at = bytes.indexOf(SINGLE_QUOTE, from)) {
    pieces.push(bytes.subarray(from, at), Buffer.from("'\\''"))
    from = at + 1
  }
  pieces.push(bytes.subarray(from), Buffer.from("'"))
  return Buffer.concat(pieces)
}

/** The text of the command file. Callers have checked names and NUL bytes (see capability/run-script.ts). */
export function commandFile(command: Command): Buffer {
  const lines: Buffer[] = []
  const directory = quote(Buffer.from(command.workingDirectory))
  // Before the variables: CDPATH or HOME of the step must not decide where `cd` goes.
  lines.push(Buffer.from('unset CDPATH ENV\n'))
  lines.push(
    Buffer.concat([
      Buffer.from('cd '),
      directory,
      Buffer.from(' || { echo "drover: the account cannot enter its working directory" >&2; exit 126; }\n'),
    ]),
  )
  for (const [name, value] of sorted(command.environment)) {
    lines.push(Buffer.concat([Buffer.from(`export ${name}=`), quote(value), Buffer.from('\n')]))
  }
  // After the step's own: a PATH of its choosing has these commands at its end, too.
  lines.push(assign('PATH', '"$PATH":', command.tools), assign('DROVER_SCRIPT_FOLDER', '', command.folder))
  lines.push(assign('DROVER_VARIABLES', '', `${command.folder}/${VARIABLES}`))
  const { prelude } = command
  if (prelude?.shell === 'bash') lines.push(assign('BASH_ENV', '', prelude.file))
  // The wrapper that reads this itself says by its arguments what is to be before the interpreter: setsid.
  lines.push(Buffer.from('exec "$@"'))
  const words = [...command.interpreter, ...wordsBefore(prelude), command.script]
  for (const word of [...words.map((text) => Buffer.from(text)), ...command.arguments])
    lines.push(Buffer.from(' '), quote(word))
  lines.push(Buffer.from('\n'))
  return Buffer.concat(lines)
}

function assign(name: string, before: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from(`export ${name}=${before}`),
    quote(Buffer.from(value)),
    Buffer.from('\n'),
  ])
}

/** bash reads what BASH_ENV names by itself; another shell reads both files, and calls itself by the script's name. */
function wordsBefore(prelude: Command['prelude']): string[] {
  if (!prelude || prelude.shell === 'bash') return []
  return ['-c', `. ${quote(Buffer.from(prelude.file)).toString()}; . "$0"`]
}

// Locale last: a shell may change how it reads the rest of the file as soon as one is set.
function sorted(environment: Map<string, Uint8Array>): [string, Uint8Array][] {
  const isLocale = (name: string) => name === 'LANG' || name.startsWith('LC_')
  return [...environment].sort(([a], [b]) => Number(isLocale(a)) - Number(isLocale(b)))
}
