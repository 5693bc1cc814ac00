/** The account of two output files: what is kept under the cap, and what a script may do to them. */
import { createHash } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RULES_VERSION } from '../../base/normalise-rules.js'
import type { Capped, Result } from '../journal/records.js'
import { TaskOutput } from './task-output.js'

const reading = { perspective: { names: ['web-1'], aroundMs: Date.now() } }
let folder: string
let capped: Capped | undefined
const saveCap = (at: Capped) => {
  capped = at
  return Promise.resolve()
}

beforeEach(() => {
  capped = undefined
  folder = mkdtempSync(join(tmpdir(), 'drover-output-'))
  for (const name of ['stdout', 'stderr']) writeFileSync(join(folder, name), '')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, text: string | Buffer) => appendFileSync(join(folder, name), text)
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')

describe('the output of a task', () => {
  it('is counted and hashed as it grows', async () => {
    const output = TaskOutput.open(folder, 1e9, undefined, reading)
    for (let n = 0; n < 5; n++) {
      write('stdout', `piece ${n}\n`)
      await output.advance(saveCap)
    }
    write('stderr', 'last')
    const end = await output.end(saveCap)
    output.close()
    const text = readFileSync(join(folder, 'stdout'))
    // Nothing is taken out of these: their normalised hash is their own.
    const plain = (hash: string) => ({ sha256: hash, normalised: { sha256: hash, rules: RULES_VERSION } })
    expect(end.stdout).toEqual({ bytes: text.length, ...plain(sha256(text)), truncated: false })
    expect(end.stderr).toEqual({ bytes: 4, ...plain(sha256('last')), truncated: false })
  })

  it('has the same normalised hash where only times, ids and the name of the host differ, however it came', async () => {
    const hashes: string[] = []
    const written = [
      ['web-1', ['2026-11-22 00:42:46 WEB', '-1 app[17]: up', 'grade\n']],
      ['db-20', ['2026-11-22 00:4', '2:47 db-20 app[4711]: upgrade\n']],
      ['db-21', ['2026-11-22 00:42:47 db-21 app[4711]: downgrade\n']],
    ] as const
    for (const [name, pieces] of written) {
      writeFileSync(join(folder, 'stdout'), '')
      const output = TaskOutput.open(folder, 1e9, undefined, {
        perspective: { names: [name], aroundMs: Date.now() },
      })
      for (const piece of pieces) {
        write('stdout', piece)
        await output.advance(saveCap)
      }
      const { stdout } = await output.end(saveCap)
      output.close()
      expect(stdout.sha256).toBe(sha256(readFileSync(join(folder, 'stdout'))))
      hashes.push(stdout.normalised?.sha256 ?? '')
    }
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(hashes[1]).toBe(hashes[0])
    expect(hashes[2]).not.toBe(hashes[0])
  })

  it('is cut at the cap, both streams together, and the disk gets its space back', async () => {
    const output = TaskOutput.open(folder, 3_000_000, undefined, reading)
    write('stderr', Buffer.alloc(1_000_000, 1))
    await output.advance(saveCap)
    for (let n = 0; n < 3; n++) {
      write('stdout', Buffer.alloc(4_000_000, 2))
      await output.advance(saveCap)
      expect(statSync(join(folder, 'stdout')).size).toBe(2_000_000)
    }
    write('stderr', 'dropped')
    const end = await output.end(saveCap)
    output.close()
    expect(end.stdout).toMatchObject({
      bytes: 2_000_000,
      truncated: true,
      sha256: sha256(Buffer.alloc(2_000_000, 2)),
    })
    expect(end.stderr).toMatchObject({ bytes: 1_000_000, truncated: true })
    expect(capped).toEqual({ stdout: 2_000_000, stderr: 1_000_000 })
  })

  it('that is just as long as the cap is not marked', async () => {
    const output = TaskOutput.open(folder, 10, undefined, reading)
    write('stdout', '0123456789')
    expect((await output.end(saveCap)).stdout).toMatchObject({ bytes: 10, truncated: false })
    output.close()
  })

  it('is cut after a restart where it was cut before', async () => {
    write('stdout', 'x'.repeat(100))
    write('stderr', 'y'.repeat(100))
    const output = TaskOutput.open(folder, 100, { stdout: 30, stderr: 70 }, reading)
    const end = await output.end(saveCap)
    output.close()
    expect([end.stdout.bytes, end.stderr.bytes]).toEqual([30, 70])
  })

  it('is marked when its copier had to throw some away', async () => {
    const output = TaskOutput.open(folder, 1e9, undefined, reading)
    write('stdout', 'what there was room for')
    write('stdout.copier', 'lost          \n')
    write('stderr.copier', '4711          \n')
    const end = await output.end(saveCap)
    output.close()
    expect([end.stdout.truncated, end.stderr.truncated]).toEqual([true, false])
  })

  it('that grew while no agent ran is taken in by turns: others are not held up', async () => {
    const output = TaskOutput.open(folder, 1e9, undefined, reading)
    write('stdout', Buffer.alloc(20 << 20))
    let turns = 0
    let over = false
    const count = () => {
      turns++
      if (!over) setImmediate(count)
    }
    setImmediate(count)
    expect(await output.advance(saveCap)).toBe(20 << 20)
    over = true
    output.close()
    expect(turns).toBeGreaterThanOrEqual(4)
  })

  it('is sent from where the server says, and nothing before it says so', async () => {
    const output = TaskOutput.open(folder, 1e9, undefined, reading)
    write('stdout', '0123456789')
    await output.advance(saveCap)
    expect(output.nextChunk(100)).toBeUndefined()
    output.stdout.resume(4)
    output.stderr.resume(0)
    output.sendable = true
    expect(output.nextChunk(4)).toMatchObject({ stream: 1, offset: 4n, data: Buffer.from('4567') })
    expect(output.nextChunk(4)).toMatchObject({ offset: 8n, data: Buffer.from('89') })
    expect(output.nextChunk(4)).toBeUndefined()
    expect(output.stdout.acknowledge(8)).toBe(4)
    expect(output.isAcknowledged).toBe(false)
    output.stdout.acknowledge(10)
    expect(output.isAcknowledged).toBe(true)
    output.close()
  })

  it('that this host has no more is not told as zeros', async () => {
    const result = { bytes: 5, sha256: '', truncated: false }
    const output = TaskOutput.ended(folder, { stdout: result, stderr: { ...result, bytes: 0 } } as Result)
    rmSync(join(folder, 'stdout'))
    output.stdout.resume(0)
    output.stdout.skipIfGone()
    expect(output.hasMore).toBe(false)
    expect(output.stdout.take(10)).toBeUndefined()
    expect(output.isAcknowledged).toBe(true)
  })
})
