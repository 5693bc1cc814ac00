import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Journal } from './journal.js'

let folder: string
const open = (name: string) => Journal.open(join(folder, name), 'boot')
const onDisk = (name: string) => BigInt(readFileSync(join(folder, name, 'sequence'), 'utf8').trim())

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-journal-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe("a journal's sequence", () => {
  it('is told only once it is on disk, however many writes count at the same time', async () => {
    const journal = await open('a')
    const counted = Array.from({ length: 20 }, async () => {
      await journal.advance('ab')
      expect(onDisk('a')).toBeGreaterThanOrEqual(journal.sequence)
    })
    await Promise.all(counted)
    expect(journal.sequence).toBe(20n)
  })

  it('goes on where it was after a restart, which is no write', async () => {
    const journal = await open('a')
    await journal.advance('ab')
    const again = await open('a')
    expect([again.id, again.sequence]).toEqual([journal.id, 1n])
  })

  it('shows a copy that lacks a single write', async () => {
    const journal = await open('a')
    await journal.advance('ab')
    cpSync(join(folder, 'a'), join(folder, 'copy'), { recursive: true })
    await journal.advance('ab')
    const copy = await open('copy')
    expect(copy.id).toBe(journal.id)
    expect(copy.sequence).toBeLessThan(journal.sequence)
  })

  it('goes on from the number that an older agent reserved', async () => {
    const journal = await open('a')
    writeFileSync(join(folder, 'a', 'sequence'), '65\n')
    const newer = await open('a')
    await newer.advance('ab')
    expect([newer.id, newer.sequence, onDisk('a')]).toEqual([journal.id, 66n, 66n])
  })
})
