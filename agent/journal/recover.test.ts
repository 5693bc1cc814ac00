/** The table of recovery, row by row. */
import { decideRecovery, type Evidence } from './recover.js'

const nothing: Evidence = {
  hasResult: false,
  hasExit: false,
  sameBoot: true,
  isReboot: false,
  claimed: false,
  wrapperKnown: false,
  wrapperRuns: false,
  scriptSeen: false,
  scriptRuns: false,
}
const claimed = { claimed: true }
const known = { ...claimed, wrapperKnown: true }

describe('what a restarted agent does', () => {
  it.each<[string, Partial<Evidence>, object]>([
    ['a recorded verdict stands', { hasResult: true, hasExit: true, sameBoot: false }, { action: 'done' }],
    ['a recorded exit decides', { ...known, hasExit: true }, { action: 'conclude' }],
    [
      'a recorded exit decides after a reboot too',
      { ...known, hasExit: true, sameBoot: false },
      { action: 'conclude' },
    ],
    [
      'a wrapper that runs is adopted',
      { ...known, wrapperRuns: true, scriptSeen: true },
      { action: 'adopt' },
    ],
    [
      'a script that has lost its wrapper is adopted while it runs',
      { ...known, scriptSeen: true, scriptRuns: true },
      { action: 'adopt' },
    ],
    ['an unclaimed task is claimed', {}, { action: 'claim' }],
    ['a claim without a pid is searched for', claimed, { action: 'search' }],
    [
      'a dead wrapper that had begun the script is interrupted',
      { ...known, scriptSeen: true },
      { action: 'interrupted', reason: 'interrupted', started: 'yes' },
    ],
    [
      'a dead wrapper that had perhaps begun is interrupted',
      known,
      { action: 'interrupted', reason: 'interrupted', started: 'maybe' },
    ],
    [
      'after a reboot an unclaimed task never runs',
      { sameBoot: false },
      { action: 'interrupted', reason: 'rebooted', started: 'maybe' },
    ],
    [
      'after a reboot a pid that is in use again is not believed',
      { ...known, sameBoot: false, wrapperRuns: true, scriptSeen: true, scriptRuns: true },
      { action: 'interrupted', reason: 'rebooted', started: 'yes' },
    ],
    ['a reboot that nobody has claimed is ordered', { isReboot: true }, { action: 'claim' }],
    [
      'a reboot that may have been ordered is waited for, whatever its command left',
      { ...known, isReboot: true },
      { action: 'adopt' },
    ],
    [
      'a reboot whose command has ended is waited for',
      { ...known, isReboot: true, hasExit: true },
      { action: 'adopt' },
    ],
    [
      'a reboot is over under another boot id, whatever its command left',
      { ...known, isReboot: true, hasExit: true, sameBoot: false },
      { action: 'rebooted' },
    ],
    [
      'a reboot is over under another boot id, although it was not ordered yet',
      { isReboot: true, sameBoot: false },
      { action: 'rebooted' },
    ],
    [
      'the verdict on a reboot stands',
      { ...known, isReboot: true, hasResult: true, sameBoot: false },
      { action: 'done' },
    ],
  ])('%s', (_name, seen, recovery) => {
    expect(decideRecovery({ ...nothing, ...seen })).toEqual(recovery)
  })
})
