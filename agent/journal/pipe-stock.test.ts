import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import { PipeStock } from './pipe-stock.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-pipes-'))
})
// A mkfifo that the last task of a test has started may still be at work in there.
afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))

const root = () => join(folder, 'pipes')
const placed = (stock: PipeStock, name: string) => {
  stock.place(join(folder, name))
  return readdirSync(join(folder, name)).sort()
}
const lives = () => (existsSync(root()) ? readdirSync(root()) : [])
/** Until one mkfifo has been and gone. */
const filled = async () => {
  while (!lives().some((life) => existsSync(join(root(), life, '15/stderr')))) await delay(5)
  await delay(50)
}

describe('a stock of FIFOs', () => {
  it('gives an empty folder at first, then each task two FIFOs of its own', async () => {
    const stock = new PipeStock(root())
    expect(placed(stock, 'first')).toEqual([])
    await filled()
    const inodes = new Set<number>()
    for (let n = 0; n < 16; n++) {
      expect(placed(stock, `task-${n}`)).toEqual(['stderr', 'stdout'])
      for (const name of ['stdout', 'stderr']) {
        const entry = statSync(join(folder, `task-${n}`, name))
        expect([entry.isFIFO(), entry.mode & 0o777]).toEqual([true, 0o600])
        inodes.add(entry.ino)
      }
    }
    expect(inodes.size).toBe(32)
  })

  it('removes what an earlier life left, and gives nothing of it', async () => {
    const former = new PipeStock(root())
    placed(former, 'first')
    await filled()
    const stock = new PipeStock(root())
    expect(existsSync(root())).toBe(false)
    expect(placed(stock, 'second')).toEqual([])
    await filled()
  })

  it('gives empty folders where none can be made', async () => {
    const stock = new PipeStock(join(root(), 'below'))
    writeFileSync(root(), 'no folder')
    expect(placed(stock, 'first')).toEqual([])
    await delay(20)
    expect(placed(stock, 'second')).toEqual([])
  })

  it('leaves nothing behind of what mkfifo could not make, and brings an agent up whatever stands in its place', async () => {
    for (const program of ['false', 'there-is-no-such-program']) {
      const stock = new PipeStock(root(), program)
      expect(placed(stock, program)).toEqual([])
      expect(lives()).toHaveLength(1)
      await delay(100)
      expect(lives().flatMap((life) => readdirSync(join(root(), life)))).toEqual([])
      expect(placed(stock, `${program} again`)).toEqual([])
    }
    writeFileSync(join(folder, 'file'), '')
    expect(() => new PipeStock(join(folder, 'file', 'below'))).not.toThrow()
  })
})
