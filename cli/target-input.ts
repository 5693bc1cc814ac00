/** Targets as the command line takes them: text of the grammar, `-` for standard input, `@file`. */
import { readFileSync } from 'node:fs'
import { UsageError } from './fail.js'

/** @throws UsageError if a file cannot be read or there is nothing in it */
export function readTarget(text: string): string {
  if (text !== '-' && !text.startsWith('@')) return text
  const source = text === '-' ? 0 : text.slice(1)
  let content: string
  try {
    content = readFileSync(source, 'utf8')
  } catch (error) {
    throw new UsageError(
      `cannot read the targets from ${text === '-' ? 'standard input' : source}: ${(error as Error).message}`,
    )
  }
  const target = targetOfLines(content)
  if (!target) throw new UsageError(`there is no target in ${text === '-' ? 'standard input' : source}`)
  return target
}

/** Lines as terms; a line that is no term is the name of a host. */
export function targetOfLines(content: string): string {
  return content
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => (isTerm(line) ? line : `name:${line}`))
    .join('\n')
}

function isTerm(line: string): boolean {
  return /[:=*!]|\s(not)?in\s*\(/.test(line)
}
