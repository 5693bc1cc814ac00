import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { hasSqlRunner, unpackSqlRunner } from './sql-runner'

const folder = mkdtempSync(join(tmpdir(), 'drover-packed-'))
afterAll(() => rmSync(folder, { recursive: true }))

const code = Buffer.from('console.log("runner")\n')
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
let files = 0
const agent = (tail: string) => {
  const file = join(folder, `${files++}.cjs`)
  writeFileSync(file, `const mark = "\\n//drover-sql-runner ";\n${tail}`)
  return file
}
const packed = (sha256: string) =>
  `//drover-sql-runner ${sha256} ${brotliCompressSync(code).toString('base64')}\n`

it('comes out of the file as it was packed', () => {
  const file = agent(packed(digest(code)))
  expect(hasSqlRunner(file)).toBe(true)
  expect(unpackSqlRunner(file)).toEqual(code)
})

it('is not taken for there where it is not', () => {
  for (const file of [agent(''), agent(`//drover-sql-runner ${digest(code)} `), join(folder, 'missing')]) {
    expect(hasSqlRunner(file)).toBe(false)
    expect(() => unpackSqlRunner(file)).toThrow('no SQL runner')
  }
})

it('is refused where it is not what was packed', () => {
  expect(() => unpackSqlRunner(agent(packed(digest(Buffer.from('other')))))).toThrow('damaged')
})
