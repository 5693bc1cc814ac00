/** Lines in which two texts differ. */

interface Line {
  sign: ' ' | '-' | '+'
  text: string
}

// Room for two outputs of 2,000 lines that share nothing at either end.
const CELLS_MAX = 4_000_000
const CONTEXT = 3

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  // A line break ends a line; it does not begin another one.
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** Both texts as one list: common lines, and those of only one of them. */
function diff(before: string, after: string): Line[] {
  const a = linesOf(before)
  const b = linesOf(after)
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++
  const common = (lines: string[]): Line[] => lines.map((text) => ({ sign: ' ', text }))
  return [
    ...common(a.slice(0, head)),
    ...diffMiddle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...common(a.slice(a.length - tail)),
  ]
}

function diffMiddle(a: string[], b: string[]): Line[] {
  // Too much to compare line by line: all of it differs.
  if (a.length * b.length > CELLS_MAX) {
    return [...a.map((text): Line => ({ sign: '-', text })), ...b.map((text): Line => ({ sign: '+', text }))]
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
    if (left !== undefined && left === right) {
      lines.push({ sign: ' ', text: left })
      i++
      j++
    } else if (right === undefined || (left !== undefined && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: left ?? '' })
      i++
    } else {
      lines.push({ sign: '+', text: right })
      j++
    }
  }
  return lines
}

/** Row by row: the length of the longest common sequence of lines from i and from j on. */
function longestCommon(a: string[], b: string[]): Uint32Array {
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const below = table[(i + 1) * width + j] ?? 0
      const right = table[i * width + j + 1] ?? 0
      table[i * width + j] =
        a[i] === b[j] ? (table[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(below, right)
    }
  }
  return table
}

/** How many lines differ: a changed line is one, not a removed and an added one. */
export function changedLines(before: string, after: string): number {
  const lines = diff(before, after)
  const removed = lines.filter((line) => line.sign === '-').length
  const added = lines.filter((line) => line.sign === '+').length
  return Math.max(removed, added)
}

/** The lines of a unified diff, with three lines around each change; empty if the texts are the same. */
export function unifiedDiff(before: string, after: string): string[] {
  const lines = diff(before, after)
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
