/** Finding processes by what they carry. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  carriesMarker,
  findProcessesOfTask,
  isRunning,
  processesOfTask,
  readStat,
  taskMarker,
  uptimeMs,
} from './proc.js'

// Of this run alone: the whole machine is searched, and another checkout may run the same test.
const id = randomBytes(32).toString('hex')

describe('a process', () => {
  it.each<[string, Record<string, string>, boolean]>([
    ['with the whole marker is of the task', { ...taskMarker('j', id) }, true],
    ['with the marker of another journal is not', { ...taskMarker('k', id) }, false],
    ['with a longer id is not', { ...taskMarker('j', `${id}1`) }, false],
    [
      'with the marker inside of another value is not',
      { X: `DROVER_TASK=${id}`, DROVER_JOURNAL: 'j' },
      false,
    ],
    ['whose marker follows a name that ends alike is', { XDROVER_TASK: id, ...taskMarker('j', id) }, true],
  ])('%s', async (_name, environment, ours) => {
    const child = spawn('/bin/sleep', ['20'], { env: environment })
    try {
      await new Promise((resolve) => child.once('spawn', resolve))
      // `spawn` tells of the fork; the environment is the child's own after its exec.
      while (!readStat(child.pid ?? 0)?.state.match(/S/))
        await new Promise((resolve) => setImmediate(resolve))
      const marker = taskMarker('j', id)
      expect(carriesMarker(child.pid ?? 0, marker)).toBe(ours)
      expect(processesOfTask(marker)).toEqual(ours ? [child.pid] : [])
      expect(await findProcessesOfTask(marker)).toEqual(ours ? [child.pid] : [])
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  it('is known by pid and start time together', () => {
    const stat = readStat(process.pid)
    expect(isRunning(process.pid, stat?.startTicks ?? 0)).toBe(true)
    expect(isRunning(process.pid, (stat?.startTicks ?? 0) + 1)).toBe(false)
    expect((stat?.startTicks ?? 0) * 10).toBeLessThanOrEqual(uptimeMs())
    expect(readStat(2 ** 30)).toBeUndefined()
  })
})
