/** A lock between processes: a file that holds its owner's pid; the lock of a dead owner is taken over. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** When a process began, in clock ticks: tells a reused pid from the one that took the lock. */
function birthOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function isAlive(owner) {
  const [pid, birth] = owner.split(' ')
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
  return birth === 'undefined' || birthOf(pid) === birth
}

/** True if the lock was made by this call. */
function take(file, mine) {
  try {
    writeFileSync(file, mine, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

/** Removes the lock of a dead owner; a lock that changed hands meanwhile is put back. */
function clearDead(file) {
  let owner
  try {
    owner = readFileSync(file, 'utf8')
  } catch {
    return
  }
  if (owner === '' || isAlive(owner)) return
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
    if (readFileSync(aside, 'utf8') !== owner) linkSync(aside, file)
  } catch {
    // Another process cleared it first.
  }
  rmSync(aside, { force: true })
}

/**
 * Runs `work` while holding the lock.
 * @param onWait called once if somebody else holds it
 */
export async function withLock(file, work, onWait = () => {}) {
  mkdirSync(dirname(file), { recursive: true })
  const mine = `${process.pid} ${birthOf(process.pid)}`
  for (let waited = false; !take(file, mine); waited = true) {
    clearDead(file)
    if (!waited) onWait(file)
    await delay(200)
  }
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}
