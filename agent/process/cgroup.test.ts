import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cgroup, type CgroupRoot, cgroupOf, findCgroupRoot, prepareCgroup, removeCgroup } from './cgroup'

// Some sandboxes let nobody make one.
const found = findCgroupRoot()
const whereAllowed = found ? it : it.skip
const root = found as CgroupRoot

const own = () => readFileSync('/proc/self/cgroup', 'utf8')
const joinIt = (folder: string) => `echo 0 > ${folder}/cgroup.procs; cat /proc/self/cgroup`

describe('a cgroup that is made ahead', () => {
  let cgroup: Cgroup
  beforeEach(() => {
    cgroup = cgroupOf(root, { journalId: randomUUID(), taskId: randomUUID() }) as Cgroup
  })
  afterEach(() => removeCgroup(cgroup))

  whereAllowed('takes a process in, and the one that made it stays where it is', async () => {
    const before = own()
    await prepareCgroup(root, cgroup)
    expect(own()).toBe(before)
    const joined = execFileSync('/bin/sh', ['-c', joinIt(cgroup.folder)], { encoding: 'utf8' })
    expect(joined).toContain(cgroup.folder.slice(root.mount.length))
  })

  whereAllowed('moves nobody back whom the host has moved since', async () => {
    const elsewhere = join(root.parent, `drover-probe-${randomUUID()}`)
    mkdirSync(elsewhere)
    try {
      writeFileSync(join(elsewhere, 'cgroup.procs'), '0')
      await prepareCgroup(root, cgroup)
      expect(own()).toContain(elsewhere.slice(root.mount.length))
    } finally {
      writeFileSync(join(root.parent, 'cgroup.procs'), '0')
      rmdirSync(elsewhere)
    }
  })

  whereAllowed('is left to whoever needs it where it cannot be made', async () => {
    const gone: Cgroup = { kind: root.kind, folder: join(cgroup.folder, 'below', 'nothing') }
    await prepareCgroup(root, gone)
    await prepareCgroup({ ...root, mount: '/nowhere' }, cgroup)
    expect([existsSync(gone.folder), existsSync(cgroup.folder)]).toEqual([false, true])
  })
})
