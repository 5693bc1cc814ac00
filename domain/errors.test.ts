/** Holds the catalogue of codes and docs/reference/errors.md to each other, in both directions. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue, type ErrorCode } from './errors.js'

interface Row {
  code: string
  kind: string
  retryable: string
  meaning: string
  remedy: string
}

/** Rows of the tables whose first column is `code`; cells hold no bar. */
function documented(): Row[] {
  const page = readFileSync(join(__dirname, '../docs/reference/errors.md'), 'utf8')
  const rows: Row[] = []
  let inTable = false
  for (const line of page.split('\n')) {
    if (line.startsWith('| code |')) inTable = true
    else if (!line.startsWith('|')) inTable = false
    else if (inTable && !line.startsWith('|---')) {
      const [, code = '', kind = '', retryable = '', meaning = '', remedy = '', ...more] = line
        .split('|')
        .map((cell) => cell.trim())
      expect(more).toEqual([''])
      rows.push({ code: /^`(.+)`$/.exec(code)?.[1] ?? code, kind, retryable, meaning, remedy })
    }
  }
  return rows
}

const rows = documented()
const codes = Object.keys(catalogue) as ErrorCode[]

describe('docs/reference/errors.md', () => {
  it('explains every code of the catalogue', () => {
    expect(codes.filter((code) => !rows.some((row) => row.code === code))).toEqual([])
  })

  it('explains no code that the catalogue lacks', () => {
    expect(rows.map((row) => row.code).filter((code) => !Object.hasOwn(catalogue, code))).toEqual([])
  })

  it('explains each code once', () => {
    const seen = rows.map((row) => row.code)
    expect(seen.filter((code, index) => seen.indexOf(code) !== index)).toEqual([])
  })

  it.each(codes)('tells the kind of %s, whether to retry it, and what to do', (code) => {
    const row = rows.find((item) => item.code === code)
    const { kind, retryable } = catalogue[code]
    expect(row).toMatchObject({ kind, retryable: retryable ? 'yes' : 'no' })
    // A sentence each: an operator learns nothing from a word.
    expect(row?.meaning).toMatch(/^.{15,}\.$/s)
    expect(row?.remedy).toMatch(/^\S.*\.$/s)
  })
})
