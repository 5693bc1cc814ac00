/** Normalising: output without what is other on every host by its nature, so that hosts that wrote the same otherwise are found alike. */
import { createHash, type Hash } from 'node:crypto'
import { type Kind, type Rule, rules } from './normalise-rules.js'

/** A longer line is compared as it is: it is held in memory whole. */
export const LINE_MAX_BYTES = 16 * 1024

/** Of each stream, so much is normalised, counted after normalising; what follows is compared as it is. */
export const NORMALISED_MAX_BYTES = 1024 * 1024

export interface Perspective {
  /** What the host is called; see `ownNames`. */
  names: readonly string[]
  /** When the run was, to know counts of seconds since 1970 by. */
  aroundMs: number
}

// A word begins after, and ends before, anything else. NUL begins what stands for a part that was taken out: were it no part of a
// word, normalising twice would not be the same as once.
const WORD = '[0-9A-Za-z\\0]'
const letters: Record<Kind, string> = { time: 't', duration: 'd', id: 'i', pid: 'p', host: 'h' }
const kinds: Record<string, string> = Object.fromEntries(
  Object.entries(letters).map(([kind, letter]) => [letter, kind]),
)
// What stands in place of a part is no longer than two bytes, a part no shorter than one.
const GROWTH = 2

const generic = new Set(['localhost', 'localhost.localdomain'])

/**
 * The names of a host by which it may speak of itself: each given one, and its first label. Names that are words or numbers of
 * everyday text are left out: shorter than three letters, digits only, `localhost`.
 */
export function ownNames(given: Iterable<string>): string[] {
  const names = new Set<string>()
  for (const name of given) {
    for (const form of [name, name.split('.')[0] ?? '']) {
      const isName = /^[0-9A-Za-z][0-9A-Za-z._-]{1,252}[0-9A-Za-z]$/.test(form) && !/^\d+$/.test(form)
      if (isName && !generic.has(form.toLowerCase())) names.add(form.toLowerCase())
    }
  }
  // The longest first, for the first that matches wins.
  return [...names].sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
}

const anyCase = (name: string) =>
  name.replaceAll(/./g, (char) =>
    /[a-z]/.test(char) ? `[${char}${char.toUpperCase()}]` : char === '.' ? '\\.' : char,
  )

const word = (pattern: string) => new RegExp(`(?<!${WORD})(?:${pattern})(?!${WORD})`, 'gm')

// One for all hosts: to compile it takes milliseconds.
const byRule = word(rules.map((rule) => `(${rule.pattern})`).join('|'))

// All hosts of one program have few names between them; a simulated fleet has many.
const byNames = new Map<string, RegExp>()
const NAMES_MAX = 64

function expressionFor(names: readonly string[]): RegExp {
  const key = names.join('/')
  const known = byNames.get(key)
  if (known) return known
  const made = word(names.map(anyCase).join('|'))
  if (byNames.size >= NAMES_MAX) byNames.clear()
  byNames.set(key, made)
  return made
}

/** Whole lines, one byte a character, normalised. */
function normaliseLines(text: string, { names, aroundMs }: Perspective): string {
  const rest = text.replace(byRule, (found: string, ...groups: unknown[]) => {
    const rule: Rule | undefined = rules[groups.findIndex((group) => group !== undefined)]
    if (!rule || rule.holds?.(found, aroundMs) === false) return found
    return `\0${letters[rule.kind]}`
  })
  return names.length ? rest.replace(expressionFor(names), `\0${letters.host}`) : rest
}

/** Takes output piece by piece and gives it on normalised; how it was cut into pieces changes nothing. */
export class Normaliser {
  private readonly perspective: Perspective
  private readonly give: (bytes: Buffer) => void
  /** The begin of a line whose end has not come. */
  private begin: Buffer = Buffer.alloc(0)
  /** Whether a line that is too long is passing. */
  private passing = false
  private given = 0

  constructor(perspective: Perspective, give: (bytes: Buffer) => void) {
    this.perspective = perspective
    this.give = give
  }

  update(piece: Buffer): void {
    let rest = piece
    if (this.passing) {
      const end = piece.indexOf(10) + 1
      this.pass(end ? piece.subarray(0, end) : piece)
      if (!end) return
      this.passing = false
      rest = piece.subarray(end)
    }
    const bytes = this.begin.length ? Buffer.concat([this.begin, rest]) : rest
    const end = bytes.lastIndexOf(10) + 1
    this.takeLines(bytes.subarray(0, end))
    const begin = bytes.subarray(end)
    this.passing = begin.length > LINE_MAX_BYTES
    if (this.passing) this.pass(begin)
    // A copy: the caller's buffer is filled anew.
    this.begin = this.passing ? Buffer.alloc(0) : Buffer.from(begin)
  }

  /** The last line has no end; nothing comes after this. */
  end(): void {
    this.takeLines(this.begin)
    this.begin = Buffer.alloc(0)
  }

  private pass(bytes: Buffer): void {
    if (!bytes.length) return
    this.given += bytes.length
    this.give(bytes)
  }

  /** Lines go through together as far as none of them can lie beyond the limit, then one by one. */
  private takeLines(bytes: Buffer): void {
    let rest = bytes
    while (rest.length && this.given < NORMALISED_MAX_BYTES) {
      const room = Math.floor((NORMALISED_MAX_BYTES - this.given - 1) / GROWTH)
      const end = rest.length <= room ? rest.length : rest.subarray(0, room).lastIndexOf(10) + 1
      const lines = end ? rest.subarray(0, end) : firstLine(rest)
      if (hasLongLine(lines)) this.takeOneByOne(lines)
      else this.normalise(lines)
      rest = rest.subarray(lines.length)
    }
    this.pass(rest)
  }

  private takeOneByOne(bytes: Buffer): void {
    for (let rest = bytes; rest.length; ) {
      const line = firstLine(rest)
      if (hasLongLine(line)) this.pass(line)
      else this.normalise(line)
      rest = rest.subarray(line.length)
    }
  }

  private normalise(bytes: Buffer): void {
    if (!bytes.length) return
    const text = bytes.toString('latin1')
    const normalised = normaliseLines(text, this.perspective)
    this.pass(normalised === text ? bytes : Buffer.from(normalised, 'latin1'))
  }
}

function firstLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(10) + 1
  return end ? bytes.subarray(0, end) : bytes
}

/** Whether a line has more bytes, without its end, than are normalised. */
function hasLongLine(bytes: Buffer): boolean {
  // From line end to line end, as far as one line may reach.
  for (let from = 0; bytes.length - from > LINE_MAX_BYTES; ) {
    const end = bytes.subarray(from, from + LINE_MAX_BYTES + 1).lastIndexOf(10) + 1
    if (!end) return true
    from += end
  }
  return false
}

/** sha256 of output as it is normalised. */
export class NormalisedHash {
  private readonly hash: Hash = createHash('sha256')
  private readonly normaliser: Normaliser

  constructor(perspective: Perspective) {
    this.normaliser = new Normaliser(perspective, (bytes) => this.hash.update(bytes))
  }

  update(piece: Buffer): void {
    this.normaliser.update(piece)
  }

  /** Hex, of all that came; may be asked again, but nothing may come afterwards. */
  digest(): string {
    this.normaliser.end()
    return this.hash.copy().digest('hex')
  }
}

/** Normalised output for people to read: what was taken out stands as `<time>`, `<host>`, …; as long as no piece is torn. */
export function showKinds(normalised: Buffer): Buffer {
  const text = normalised.toString('latin1')
  const shown = text.replaceAll(/\0([a-z])/g, (found: string, letter: string) =>
    kinds[letter] === undefined ? found : `<${kinds[letter]}>`,
  )
  return shown === text ? normalised : Buffer.from(shown, 'latin1')
}
