/** Reading the small files of /proc and of cgroups again and again: one buffer for all, no garbage a read. */
import { closeSync, openSync, readSync } from 'node:fs'

// An environment may be larger; what matters of it stands at its beginning, because the agent sets it first.
const buffer = Buffer.allocUnsafe(256 * 1024)

/** The bytes of the file until the next call, empty when it cannot be read. */
export function readSmall(path: string): Buffer {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch {
    return buffer.subarray(0, 0)
  }
  try {
    let length = 0
    for (;;) {
      const taken = readSync(descriptor, buffer, length, buffer.length - length, null)
      length += taken
      if (taken === 0 || length === buffer.length) return buffer.subarray(0, length)
    }
  } catch {
    return buffer.subarray(0, 0)
  } finally {
    closeSync(descriptor)
  }
}
