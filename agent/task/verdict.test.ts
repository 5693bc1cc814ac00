/** Which of exit, cancel and timeout names the state. */
import { TaskState } from '../../proto/index.js'
import type { Cancel, ExitRecord, Timeout } from '../journal/records.js'
import { decideVerdict, mayReboot } from './verdict.js'

const exitAt = (uptimeMs: number, status = 0): ExitRecord => ({ status, uptimeMs })
const cancelAt = (receivedUptimeMs: number, bootId = 'boot'): Cancel => ({
  version: 1,
  order: '',
  signature: '',
  keyId: '',
  reason: 'because',
  receivedAtMs: 0,
  bootId,
  receivedUptimeMs,
})
const timeoutAt = (decidedUptimeMs: number): Timeout => ({ version: 1, bootId: 'boot', decidedUptimeMs })
const { TASK_STATE_EXITED, TASK_STATE_CANCELLED, TASK_STATE_TIMED_OUT, TASK_STATE_INTERRUPTED } = TaskState

describe('a verdict', () => {
  it.each<[string, ExitRecord | undefined, Cancel | undefined, Timeout | undefined, TaskState]>([
    ['is exited for an exit alone', exitAt(5), undefined, undefined, TASK_STATE_EXITED],
    ['is exited when the exit came before the cancel', exitAt(5), cancelAt(6), undefined, TASK_STATE_EXITED],
    [
      'is exited when the exit came before the timeout',
      exitAt(5),
      undefined,
      timeoutAt(6),
      TASK_STATE_EXITED,
    ],
    [
      'is cancelled when the exit came after the cancel',
      exitAt(7),
      cancelAt(6),
      undefined,
      TASK_STATE_CANCELLED,
    ],
    ['is cancelled without an exit', undefined, cancelAt(6), undefined, TASK_STATE_CANCELLED],
    [
      'is timed out when the exit came after the timeout',
      exitAt(7),
      undefined,
      timeoutAt(6),
      TASK_STATE_TIMED_OUT,
    ],
    ['is what came first of cancel and timeout', exitAt(9), cancelAt(7), timeoutAt(6), TASK_STATE_TIMED_OUT],
    [
      'is cancelled when the cancel came before the timeout',
      exitAt(9),
      cancelAt(6),
      timeoutAt(7),
      TASK_STATE_CANCELLED,
    ],
    [
      'is exited when the cancel came in a later boot',
      exitAt(9),
      cancelAt(1, 'later'),
      undefined,
      TASK_STATE_EXITED,
    ],
    ['is interrupted when nothing is known', undefined, undefined, undefined, TASK_STATE_INTERRUPTED],
  ])('%s', (...[, exit, cancel, timeout, state]) => {
    expect(decideVerdict({ exit, cancel, timeout, bootId: 'boot', leftOver: [] }).state).toBe(state)
  })

  it('names the signal that a shell tells as 128 and more', () => {
    const verdict = (status: number) =>
      decideVerdict({
        exit: exitAt(1, status),
        cancel: undefined,
        timeout: undefined,
        bootId: 'boot',
        leftOver: [],
      })
    expect(verdict(143)).toMatchObject({ exitCode: 143, signal: 'SIGTERM' })
    expect(verdict(1)).toMatchObject({ exitCode: 1, signal: '' })
    expect(verdict(255)).toMatchObject({ exitCode: 255, signal: '' })
  })

  it.each([
    [0, true],
    [143, true],
    [1, false],
    [251, false],
    [255, false],
  ])('of a reboot is left to the boot id where its command ended with %d: %p', (status, isLeft) => {
    expect(mayReboot(exitAt(1, status))).toBe(isLeft)
  })

  it('tells which processes could not be ended', () => {
    const verdict = decideVerdict({
      exit: undefined,
      cancel: cancelAt(1),
      timeout: undefined,
      bootId: 'boot',
      leftOver: [7, 9],
    })
    expect(verdict.detail).toContain('7, 9')
  })
})
