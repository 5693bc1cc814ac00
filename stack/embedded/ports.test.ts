/** Ports of a stack: kept with its data, never shared with another stack. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { choosePorts } from './ports.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-ports-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('ports', () => {
  it('are the same at the next start', async () => {
    const file = join(folder, 'ports.json')
    const first = await choosePorts(file)
    const postgres = await first.of('postgres')
    first.close()
    const second = await choosePorts(file)
    await expect(second.of('postgres')).resolves.toBe(postgres)
    second.close()
  })

  it('are others when one of them was taken meanwhile', async () => {
    const file = join(folder, 'ports.json')
    const first = await choosePorts(file)
    const port = await first.of('postgres')
    first.close()
    const stranger = createServer()
    await new Promise<void>((resolve) => stranger.listen(port, '127.0.0.1', resolve))
    const second = await choosePorts(file)
    await expect(second.of('postgres')).resolves.not.toBe(port)
    second.close()
    stranger.close()
  })

  it('differ from those of a stack beside it, and from each other when asked for at once', async () => {
    const one = await choosePorts()
    const other = await choosePorts()
    const names = Array.from({ length: 20 }, (_, index) => `role-${index}`)
    const all = await Promise.all([one, other].flatMap((ports) => names.map((name) => ports.of(name))))
    expect(new Set(all).size).toBe(40)
    one.close()
    other.close()
  })
})
