/** What `drover run` runs: words of the command line as a script that passes them exactly, or a file. */
import { readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { UsageError } from './fail.js'

export interface ScriptInput {
  script: string
  language: string
  arguments: string[]
  name: string
}

const NAME_MAX = 60
const shells = ['bash', 'sh']
const languageOf: Record<string, string> = {
  '.sh': 'bash',
  '.bash': 'bash',
  '.py': 'python',
  '.pl': 'perl',
  '.js': 'node',
  '.mjs': 'node',
  '.ps1': 'powershell',
  '.bat': 'bat',
  '.cmd': 'bat',
  '.sql': 'sql',
}

/** By the end of its name; undefined where that says nothing. */
export function languageOfFile(file: string): string | undefined {
  return languageOf[extname(file).toLowerCase()]
}

/** What an editor knows a language by: `.py`. */
export function endingOf(language: string): string {
  return Object.entries(languageOf).find(([, of]) => of === language)?.[0] ?? '.sh'
}

/**
 * @param words after `--`: the command, or with a file its arguments
 * @throws UsageError
 */
export function readScript(
  words: readonly string[],
  options: { file?: string | undefined; lang?: string | undefined },
): ScriptInput {
  if (options.file !== undefined) return fromFile(options.file, words, options.lang)
  const language = options.lang ?? 'bash'
  const [first, ...rest] = words
  if (first === undefined)
    throw new UsageError(
      'nothing to run: write the command after --, as in: drover run -t env=prod -- uptime',
    )
  if (rest.length && !shells.includes(language)) {
    throw new UsageError(
      `several words are a shell command; give a ${language} script as one word, or with --file`,
    )
  }
  // One word is shell text, as people quote it: 'df -h | tail -1'. Several are a command whose words must not be split again.
  const script = rest.length ? words.map(quoteWord).join(' ') : first
  return { script: `${script}\n`, language, arguments: [], name: shorten(words.join(' ')) }
}

function fromFile(file: string, words: readonly string[], lang: string | undefined): ScriptInput {
  let script: string
  try {
    script = decode(readFileSync(file === '-' ? 0 : file))
  } catch (error) {
    throw new UsageError(
      `cannot read ${file === '-' ? 'the script from standard input' : file}: ${(error as Error).message}`,
    )
  }
  return {
    script,
    language: lang ?? languageOfFile(file) ?? 'bash',
    arguments: [...words],
    name: file === '-' ? 'script' : shorten(basename(file)),
  }
}

/** `word` so that a POSIX shell reads exactly it. */
export function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** Text as the host is to get it: bytes that are no UTF-8 would be changed into other ones without a word. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > NAME_MAX ? `${line.slice(0, NAME_MAX - 1)}…` : line || 'script'
}
