import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CgroupRoot, findCgroupRoot, ownPath } from './cgroup.js'
import { Cgroups } from './cgroups.js'

// Some sandboxes let nobody make one.
const found = findCgroupRoot()
const suite = found ? describe : describe.skip
const root = found as CgroupRoot

const own = () => readFileSync('/proc/self/cgroup', 'utf8')

suite('the cgroups of tasks', () => {
  let journalId: string
  let cgroups: Cgroups
  const taskId = randomUUID()
  const folder = () => cgroups.of(taskId).folder

  beforeEach(() => {
    journalId = randomUUID()
    cgroups = new Cgroups(root, journalId)
  })
  // One of another life, which has none about to start.
  afterEach(() => new Cgroups(root, journalId).sweep([]))

  it('are made once, and joined by the file that is named', async () => {
    const before = own()
    cgroups.prepare(taskId)
    const file = await cgroups.make(taskId)
    const joined = execFileSync('/bin/sh', ['-c', `echo 0 > ${file}; cat /proc/self/cgroup`])
    expect(joined.toString()).toContain(folder().slice(root.mount.length))
    await cgroups.sweep([])
    expect([own(), await cgroups.make(taskId), existsSync(folder())]).toEqual([before, file, true])
  })

  it('are asked for in order: what is removed and made again is there', async () => {
    for (let n = 0; n < 20; n++) {
      cgroups.prepare(taskId)
      cgroups.remove(taskId)
    }
    await cgroups.make(taskId)
    expect(existsSync(folder())).toBe(true)
    cgroups.remove(taskId)
    await cgroups.make('another')
    expect(existsSync(folder())).toBe(false)
  })

  it('are swept unless they run, are about to start, or somebody is in them', async () => {
    const [running, left, held] = ['running', 'left', 'held'].map((id) => cgroups.of(id).folder)
    for (const path of [running, left, held]) mkdirSync(String(path))
    await cgroups.make(taskId)
    writeFileSync(join(String(held), 'cgroup.procs'), '0')
    try {
      await cgroups.sweep(['running'])
      expect([running, left, held, folder()].map((path) => existsSync(String(path)))).toEqual([
        true,
        false,
        true,
        true,
      ])
    } finally {
      writeFileSync(join(dirname(String(held)), 'cgroup.procs'), '0')
    }
    cgroups.remove(taskId)
    await cgroups.sweep([])
    expect([running, held, folder()].map((path) => existsSync(String(path)))).toEqual([false, false, false])
  })

  it('do not move the agent back where the host has moved it since', async () => {
    const elsewhere = join(root.parent, `drover-probe-${randomUUID()}`)
    mkdirSync(elsewhere)
    try {
      writeFileSync(join(elsewhere, 'cgroup.procs'), '0')
      cgroups.prepare(taskId)
      cgroups.remove(taskId)
      await cgroups.make('another')
      expect(own()).toContain(elsewhere.slice(root.mount.length))
    } finally {
      writeFileSync(join(root.parent, 'cgroup.procs'), '0')
      rmdirSync(elsewhere)
    }
  })

  it('are prepared by a move of the agent to where it is', async () => {
    const mount = mkdtempSync(join(tmpdir(), 'drover-cgroup-'))
    try {
      const path = ownPath(own(), root.kind) ?? ''
      mkdirSync(join(mount, path), { recursive: true })
      const elsewhere = new Cgroups({ ...root, mount }, journalId)
      elsewhere.prepare(taskId)
      await elsewhere.make('another')
      expect(readFileSync(join(mount, path, 'cgroup.procs'), 'utf8')).toBe('0')
    } finally {
      rmSync(mount, { recursive: true })
    }
  })

  it('are none where the host refuses', async () => {
    for (const parent of ['/proc', '/nowhere']) {
      const refused = new Cgroups({ ...root, parent, mount: '/nowhere' }, journalId)
      refused.prepare(taskId)
      expect(await refused.make(taskId)).toBeUndefined()
      refused.remove(taskId)
      await refused.sweep([])
    }
  })
})
