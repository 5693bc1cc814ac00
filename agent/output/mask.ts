/**
 * Masks: which bytes of an output are of a secret. Each byte that some occurrence covers becomes `*`, one for one, so that
 * offsets and sizes stay as they are. What is masked depends on the bytes of the stream alone, not on how they came in pieces:
 * it is the same at every reading. (Aho and Corasick's automaton: all values are looked for at once, each byte is looked at once.)
 */

/** Shorter values and lines are not masked: they stand everywhere. In characters. */
export const MASKED_FROM = 4

const STAR = 0x2a

/** One stream that is being masked. */
export interface MaskStream {
  /** Takes the next bytes. @returns those that are decided: no secret can begin in them any more */
  push(bytes: Uint8Array): Buffer
  /** The rest. @param isCut whether more would have come: what could be the beginning of a secret is masked then, too */
  end(isCut: boolean): Buffer
}

export interface Mask {
  /** Of the longest thing that it looks for, bytes: how far from a byte it must look to decide about it. */
  reach: number
  stream(): MaskStream
}

/** Undefined where there is nothing to mask. */
export function maskOf(values: Iterable<Uint8Array>): Mask | undefined {
  const patterns = patternsOf(values)
  return patterns.length ? new Automaton(patterns.sort((a, b) => Buffer.compare(a, b))) : undefined
}

/** Where it cannot be known any more what is secret, everything is. */
export const maskAll: Mask = {
  reach: 1,
  stream: () => ({
    push: (bytes) => Buffer.alloc(bytes.length, STAR),
    end: () => Buffer.alloc(0),
  }),
}

/** A piece of a stream, masked as the whole would be. @param piece the wanted bytes with all that is within reach of them */
export function maskPiece(
  mask: Mask,
  piece: { bytes: Uint8Array; isEnd: boolean; isCut: boolean },
  want: { from: number; length: number },
): Buffer {
  const stream = mask.stream()
  const masked = Buffer.concat([stream.push(piece.bytes), stream.end(piece.isEnd && piece.isCut)])
  return masked.subarray(want.from, want.from + want.length)
}

/** The values as they are and as scripts usually read them, and each of their lines. */
function patternsOf(values: Iterable<Uint8Array>): Buffer[] {
  const found = new Map<string, Buffer>()
  for (const value of values) {
    const text = Buffer.from(value).toString('latin1')
    // As `$(cat …)` and `read` make of it, too: without line ends behind it, and without blanks around it.
    const usual = [trimEnd(text, '\r\n'), trimStart(trimEnd(text, ' \t\r\n'), ' \t\r\n')]
    for (const part of [text, ...usual, ...text.split(/\r?\n/)]) {
      const bytes = Buffer.from(part, 'latin1')
      if (countCharacters(bytes) >= MASKED_FROM) found.set(part, bytes)
    }
  }
  return [...found.values()]
}

// By index: an expression that is anchored at the end tries each run of such signs in the middle again and again.
function trimEnd(text: string, signs: string): string {
  let end = text.length
  while (end > 0 && signs.includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

function trimStart(text: string, signs: string): string {
  let start = 0
  while (start < text.length && signs.includes(text.charAt(start))) start++
  return text.slice(start)
}

/** Bytes of UTF-8 that begin a character. */
function countCharacters(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if ((byte & 0xc0) !== 0x80) count++
  return count
}

/** How many nodes patterns have that share those of what they begin alike with: a value, with and without its last line end. */
function countNodes(sorted: readonly Buffer[]): number {
  let count = 1
  for (const [index, pattern] of sorted.entries()) {
    const before = sorted[index - 1] ?? Buffer.alloc(0)
    let shared = 0
    while (shared < pattern.length && pattern[shared] === before[shared]) shared++
    count += pattern.length - shared
  }
  return count
}

/** Nodes are numbers, in arrays: a value of 64 KiB has as many of them. Node 0 is the root. */
class Automaton implements Mask {
  readonly reach: number
  /** Length of what is being matched at a node. */
  readonly depth: Int32Array
  /** Length of the longest thing looked for that ends at a node; 0: none. */
  readonly match: Int32Array
  private readonly byte: Uint8Array
  private readonly child: Int32Array
  private readonly sibling: Int32Array
  private readonly fail: Int32Array
  private readonly fromRoot = new Int32Array(256)
  private nodes = 1

  /** @param patterns in the order of their bytes */
  constructor(patterns: readonly Buffer[]) {
    const most = countNodes(patterns)
    this.reach = Math.max(...patterns.map((pattern) => pattern.length))
    this.depth = new Int32Array(most)
    this.match = new Int32Array(most)
    this.byte = new Uint8Array(most)
    this.child = new Int32Array(most)
    this.sibling = new Int32Array(most)
    this.fail = new Int32Array(most)
    for (const pattern of patterns) this.add(pattern)
    this.link()
  }

  stream(): MaskStream {
    return new AutomatonStream(this)
  }

  next(from: number, byte: number): number {
    for (let node = from; node !== 0; node = this.at(this.fail, node)) {
      const found = this.find(node, byte)
      if (found) return found
    }
    return this.at(this.fromRoot, byte)
  }

  private add(pattern: Buffer): void {
    let node = 0
    for (const byte of pattern) {
      const known = node === 0 ? this.at(this.fromRoot, byte) : this.find(node, byte)
      node = known || this.make(node, byte)
    }
    this.match[node] = pattern.length
  }

  private make(parent: number, byte: number): number {
    const node = this.nodes++
    this.byte[node] = byte
    this.depth[node] = this.at(this.depth, parent) + 1
    this.sibling[node] = this.at(this.child, parent)
    this.child[parent] = node
    if (parent === 0) this.fromRoot[byte] = node
    return node
  }

  private find(node: number, byte: number): number {
    let child = this.at(this.child, node)
    while (child !== 0 && this.byte[child] !== byte) child = this.at(this.sibling, child)
    return child
  }

  /** From each node to that of its longest end which is the beginning of something else; shorter ones first. */
  private link(): void {
    const queue = new Int32Array(this.nodes)
    let [taken, length] = [0, 1]
    while (taken < length) {
      const parent = this.at(queue, taken++)
      for (let node = this.at(this.child, parent); node !== 0; node = this.at(this.sibling, node)) {
        const fail = parent === 0 ? 0 : this.next(this.at(this.fail, parent), this.byte[node] ?? 0)
        this.fail[node] = fail
        this.match[node] ||= this.at(this.match, fail)
        queue[length++] = node
      }
    }
  }

  private at(table: Int32Array, index: number): number {
    return table[index] ?? 0
  }
}

class AutomatonStream implements MaskStream {
  private readonly of: Automaton
  private node = 0
  /** Bytes that are not decided, masked as far as is known. */
  private held: Buffer = Buffer.alloc(0)
  /** What was masked last, in the held bytes: none of it is masked twice. */
  private masked = { from: 0, to: 0 }

  constructor(of: Automaton) {
    this.of = of
  }

  push(bytes: Uint8Array): Buffer {
    const { of } = this
    const work = Buffer.concat([this.held, bytes])
    for (let index = this.held.length; index < work.length; index++) {
      this.node = of.next(this.node, work[index] ?? 0)
      // Only bytes that were looked at are masked.
      const length = of.match[this.node] ?? 0
      if (length) this.cover(work, index + 1 - length, index + 1)
    }
    return this.release(work, work.length - (of.depth[this.node] ?? 0))
  }

  end(isCut: boolean): Buffer {
    if (isCut) this.held.fill(STAR)
    return this.release(this.held, this.held.length)
  }

  private cover(work: Buffer, from: number, to: number): void {
    const { masked } = this
    if (from > masked.to) {
      work.fill(STAR, from, to)
      masked.from = from
    } else {
      work.fill(STAR, masked.to, to)
      if (from < masked.from) {
        work.fill(STAR, from, masked.from)
        masked.from = from
      }
    }
    masked.to = to
  }

  private release(work: Buffer, decided: number): Buffer {
    this.held = Buffer.from(work.subarray(decided))
    this.masked.from = Math.max(0, this.masked.from - decided)
    this.masked.to = Math.max(0, this.masked.to - decided)
    return work.subarray(0, decided)
  }
}
