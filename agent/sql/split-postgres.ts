/** Statements of a PostgreSQL script, split as the server's own scanner sees quotes, comments and bodies. */
import { endOf, endOfQuoted, type Statement } from './statement.js'

// Each piece that may hold a semicolon, or that says something about one.
const token = /--|\/\*|'|"|\$|\(|\)|;|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const routine = /^create(\s+or\s+replace)?\s+(function|procedure)$/
// Whatever else could be the part of a name or a number that a dollar or an E stands behind.
const nameCharacter = /[\w$\u0080-\uffff]/

/**
 * The statements of `text`, each found when it is asked for.
 * @param standardStrings whether a backslash in '…' is only that, asked each time: a statement may change it
 */
export function* splitPostgres(text: string, standardStrings: () => boolean): Generator<Statement> {
  for (let from = 0; ; ) {
    const begin = skipBlank(text, from)
    if (begin >= text.length) return
    const end = findEnd(text, begin, standardStrings())
    const statement = text.slice(begin, end).trimEnd()
    if (statement) yield { text: statement, offset: begin }
    from = end + 1
  }
}

/** Past white space and comments. */
function skipBlank(text: string, from: number): number {
  for (let at = from; at < text.length; ) {
    if (/\s/.test(text[at] ?? '')) at += 1
    else if (text.startsWith('--', at)) at = endOf(text, '\n', at)
    else if (text.startsWith('/*', at)) at = endOfComment(text, at)
    else return at
  }
  return text.length
}

/** Comments nest. */
function endOfComment(text: string, at: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = at
  let depth = 0
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return text.length
}

/** How far a statement has come: what an open bracket or an SQL body of a routine holds is not its end. */
class Nesting {
  private brackets = 0
  private body = 0
  private isRoutine = false
  private words: string[] = []

  get isOpen(): boolean {
    return this.brackets > 0 || this.body > 0
  }

  bracket(step: 1 | -1): void {
    this.brackets = Math.max(0, this.brackets + step)
  }

  word(word: string): void {
    const lower = word.toLowerCase()
    if (this.words.length < 4) {
      this.words.push(lower)
      this.isRoutine ||= routine.test(this.words.join(' '))
    }
    if (!this.isRoutine) return
    if (lower === 'begin' || (lower === 'case' && this.body > 0)) this.body += 1
    if (lower === 'end' && this.body > 0) this.body -= 1
  }
}

/** Where the semicolon stands that ends the statement from `begin` on; the end of the text if none does. */
function findEnd(text: string, begin: number, standardStrings: boolean): number {
  const nesting = new Nesting()
  const scan = new RegExp(token)
  scan.lastIndex = begin
  for (let found = scan.exec(text); found; found = scan.exec(text)) {
    const at = found.index
    const [what] = found
    if (what === ';') {
      if (!nesting.isOpen) return at
    } else if (what === '(' || what === ')') nesting.bracket(what === '(' ? 1 : -1)
    else if (what === '--') scan.lastIndex = endOf(text, '\n', at)
    else if (what === '/*') scan.lastIndex = endOfComment(text, at)
    else if (what === '"') scan.lastIndex = endOfQuoted(text, at, false)
    else if (what === "'") scan.lastIndex = endOfQuoted(text, at, !standardStrings || hasEscapes(text, at))
    else if (what === '$') scan.lastIndex = endOfDollar(text, at)
    else nesting.word(what)
  }
  return text.length
}

/** Whether the string is an E'…'. */
function hasEscapes(text: string, at: number): boolean {
  return /e/i.test(text[at - 1] ?? '') && !nameCharacter.test(text[at - 2] ?? '')
}

function endOfDollar(text: string, at: number): number {
  dollarTag.lastIndex = at
  const tag = nameCharacter.test(text[at - 1] ?? '') ? undefined : dollarTag.exec(text)?.[0]
  return tag === undefined ? at + 1 : endOf(text, tag, at + tag.length)
}
