/** Lines in which two texts differ. */

interface Line {
  sign: ' ' | '-' | '+'
  text: string
}

// Room for two outputs of 2,000 lines that share nothing at either end.
const CELLS_MAX = 4_000_000
const CONTEXT = 3

/** A line as it is shown, and as it is compared. */
interface Compared {
  text: string
  key: string
}

/** By what the lines of two texts are compared, if not by themselves: as many lines as each text has. */
export interface LineKeys {
  before: string
  after: string
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  // A line break ends a line; it does not begin another one.
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function compared(before: string, after: string, given?: LineKeys): [Compared[], Compared[]] {
  const texts = [linesOf(before), linesOf(after)] as const
  const keys = [linesOf(given?.before ?? before), linesOf(given?.after ?? after)] as const
  const fits = texts.every((lines, side) => lines.length === keys[side]?.length)
  const pair = (side: 0 | 1) =>
    texts[side].map((text, at) => ({ text, key: (fits ? keys[side][at] : undefined) ?? text }))
  return [pair(0), pair(1)]
}

/** Both texts as one list: common lines, and those of only one of them. What is common is shown as the later text has it. */
function diff(before: string, after: string, keys?: LineKeys): Line[] {
  const [a, b] = compared(before, after, keys)
  let head = 0
  while (head < a.length && head < b.length && a[head]?.key === b[head]?.key) head++
  let tail = 0
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail]?.key === b[b.length - 1 - tail]?.key
  )
    tail++
  const common = (lines: Compared[]): Line[] => lines.map(({ text }) => ({ sign: ' ', text }))
  return [
    ...common(b.slice(0, head)),
    ...diffMiddle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...common(b.slice(b.length - tail)),
  ]
}

function diffMiddle(a: Compared[], b: Compared[]): Line[] {
  // Too much to compare line by line: all of it differs.
  if (a.length * b.length > CELLS_MAX) {
    return [
      ...a.map(({ text }): Line => ({ sign: '-', text })),
      ...b.map(({ text }): Line => ({ sign: '+', text })),
    ]
  }
  const width = b.length + 1
  const longest = longestCommon(a, b)
  const at = (i: number, j: number) => longest[i * width + j] ?? 0
  const lines: Line[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const left = a[i]
    const right = b[j]
    if (left && right && left.key === right.key) {
      lines.push({ sign: ' ', text: right.text })
      i++
      j++
    } else if (!right || (left && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: left?.text ?? '' })
      i++
    } else {
      lines.push({ sign: '+', text: right.text })
      j++
    }
  }
  return lines
}

/** Row by row: the length of the longest common sequence of lines from i and from j on. */
function longestCommon(a: Compared[], b: Compared[]): Uint32Array {
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const below = table[(i + 1) * width + j] ?? 0
      const right = table[i * width + j + 1] ?? 0
      table[i * width + j] =
        a[i]?.key === b[j]?.key ? (table[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(below, right)
    }
  }
  return table
}

/** How many lines differ: a changed line is one, not a removed and an added one. */
export function changedLines(before: string, after: string, keys?: LineKeys): number {
  const lines = diff(before, after, keys)
  const removed = lines.filter((line) => line.sign === '-').length
  const added = lines.filter((line) => line.sign === '+').length
  return Math.max(removed, added)
}

/** The lines of a unified diff, with three lines around each change; empty if the texts are the same. */
export function unifiedDiff(before: string, after: string, keys?: LineKeys): string[] {
  const lines = diff(before, after, keys)
  const near = lines.map((_, at) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line.sign !== ' '),
  )
  const out: string[] = []
  let from = 1
  let to = 1
  for (let at = 0; at < lines.length; at++) {
    if (near[at] && !near[at - 1]) {
      let end = at
      while (near[end]) end++
      const hunk = lines.slice(at, end)
      const removed = hunk.filter((line) => line.sign !== '+').length
      const added = hunk.filter((line) => line.sign !== '-').length
      out.push(`@@ -${removed ? from : from - 1},${removed} +${added ? to : to - 1},${added} @@`)
      for (const line of hunk) out.push(line.sign + line.text)
    }
    if (lines[at]?.sign !== '+') from++
    if (lines[at]?.sign !== '-') to++
  }
  return out
}
