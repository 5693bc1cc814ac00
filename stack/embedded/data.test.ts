/** The data folder: one stack at a time, and open to the account that Postgres runs as. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockDataFolder, openDataFolder, secretsOf } from './data.js'
import { findServer } from './find.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-data-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the data folder', () => {
  it('is refused while another process uses it, with the way out in the message', () => {
    const unlock = lockDataFolder(folder)
    expect(() => lockDataFolder(folder)).toThrow(/runs on .* already \(pid \d+\).*--name/)
    unlock()
    lockDataFolder(folder)()
  })

  it('is taken over from a process that died', () => {
    writeFileSync(join(folder, 'lock'), `${process.pid} 1`)
    lockDataFolder(folder)()
  })

  it('keeps its secrets between starts, for its owner only', () => {
    const first = secretsOf(folder)
    expect(secretsOf(folder)).toEqual(first)
    expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600)
  })

  const asRoot = process.getuid?.() === 0 ? it : it.skip
  asRoot('is refused below a folder that Postgres cannot pass', () => {
    mkdirSync(join(folder, 'closed'))
    chmodSync(join(folder, 'closed'), 0o700)
    expect(() => openDataFolder(join(folder, 'closed/data'))).toThrow(/closed to other accounts.*DROVER_DATA/)
  })
})

describe('a server', () => {
  it('is the running one that the environment names, before any program', () => {
    const env = { DROVER_MONGO_URL: 'mongodb://db/x', DROVER_MONGO_BIN: '/bin/sh' }
    expect(findServer('mongo', env)).toEqual({ url: 'mongodb://db/x' })
    expect(findServer('mongo', { DROVER_MONGO_BIN: '/bin/sh' })).toEqual({ program: '/bin/sh' })
  })

  it('of a test is never the one that a person works with', () => {
    const env = { DROVER_MONGO_URL: 'mongodb://db/x', DROVER_MONGO_BIN: '/bin/sh' }
    expect(findServer('mongo', env, 'DROVER_TEST_')).toEqual({ program: '/bin/sh' })
  })

  it('that is nowhere is an error that says how to get it', () => {
    expect(() => findServer('temporal', { DROVER_CACHE: folder })).toThrow(
      /npm run build.*DROVER_TEMPORAL_BIN/,
    )
    expect(() => findServer('temporal', { DROVER_TEMPORAL_BIN: '/nowhere' })).toThrow(/does not exist/)
  })
})
