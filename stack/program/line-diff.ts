/** Lines in which two short texts differ. */

export interface LineChange {
  sign: '-' | '+'
  /** From 1, in the text that the line is of. */
  line: number
  text: string
}

/**
 * The shortest list of removed and added lines that makes `after` of `before`. Takes time and room in proportion to the
 * product of their lines: for configuration files, not for logs.
 */
export function lineDiff(before: string, after: string): LineChange[] {
  const a = before.split('\n')
  const b = after.split('\n')
  const common = commonLengths(a, b)
  const changes: LineChange[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i += 1
      j += 1
    } else if (j >= b.length || (i < a.length && at(common, i + 1, j) >= at(common, i, j + 1))) {
      changes.push({ sign: '-', line: i + 1, text: a[i] ?? '' })
      i += 1
    } else {
      changes.push({ sign: '+', line: j + 1, text: b[j] ?? '' })
      j += 1
    }
  }
  return changes
}

/** How many lines differ: a changed line is one, not a removed and an added one. */
export function changedLines(changes: LineChange[]): number {
  const removed = changes.filter((change) => change.sign === '-').length
  return Math.max(removed, changes.length - removed)
}

function at(table: number[][], i: number, j: number): number {
  return table[i]?.[j] ?? 0
}

/** `[i][j]`: length of the longest common sequence of lines from i and from j on. */
function commonLengths(a: string[], b: string[]): number[][] {
  const table: number[][] = Array.from({ length: a.length + 1 }, () => [])
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const row = table[i]
    for (let j = b.length - 1; row && j >= 0; j -= 1) {
      row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), row[j + 1] ?? 0)
    }
  }
  return table
}
