/** The table of recovery, row by row. */
import { decideRecovery, type Evidence } from './recover.js'

const nothing: Evidence = {
  hasResult: false,
  hasExit: false,
  sameBoot: true,
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
  ])('%s', (_name, seen, recovery) => {
    expect(decideRecovery({ ...nothing, ...seen })).toEqual(recovery)
  })
})
