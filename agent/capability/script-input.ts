/** What a script may be given: the rules for arguments and for names of environment variables. */

// The first three change what a program loads; the rest what a shell runs or how it splits words, or cannot be set.
const refusedNames = new Set([
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
  'BASH_ENV',
  'ENV',
  'IFS',
  'SHELLOPTS',
  'BASHOPTS',
  'PS4',
  'PROMPT_COMMAND',
  'UID',
  'EUID',
  'PPID',
  'OPTIND',
])

/** @returns what is wrong, or undefined */
export function checkEnvironment(environment: Record<string, Uint8Array>): string | undefined {
  for (const [name, value] of Object.entries(environment)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      return `"${printable(name)}" cannot be the name of an environment variable`
    if (refusedNames.has(name) || name.startsWith('BASH_FUNC_') || name.startsWith('DROVER_')) {
      return `the environment variable ${name} may not be set by a step`
    }
    if (value.includes(0)) return `the value of ${name} contains a NUL byte, which no process can be given`
  }
  return undefined
}

/** Names of secrets: they become names of files and, with an ending, of variables. @returns what is wrong, or undefined */
export function checkSecretNames(names: string[]): string | undefined {
  return checkEnvironment(Object.fromEntries(names.map((name) => [name, new Uint8Array()])))
}

/** @returns what is wrong, or undefined */
export function checkArguments(values: Uint8Array[]): string | undefined {
  const index = values.findIndex((value) => value.includes(0))
  return index < 0 ? undefined : `argument ${index + 1} contains a NUL byte, which no process can be given`
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 64)).slice(1, -1)
}
