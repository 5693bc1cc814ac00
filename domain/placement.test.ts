import {
  LOST_AFTER_MS,
  OFFLINE_AFTER_MS,
  placeHost,
  type PlacedHost,
  type PlacementRules,
  rebootRules,
} from './placement.js'

const rules: PlacementRules = { cancelled: false, expired: false, lostAfterMs: LOST_AFTER_MS }
const host: PlacedHost = {
  state: 'pending',
  journalId: null,
  hostState: 'active',
  hostStateReason: null,
  hostJournalId: 'j',
  gateway: 'gateway-1',
  awayMs: 0,
  isStopping: false,
}
const away = { gateway: null }

describe('the placement of a host', () => {
  it.each<[string, Partial<PlacedHost>, Partial<typeof rules>, unknown]>([
    ['dispatches where its session is', {}, {}, { do: 'dispatch', gateway: 'gateway-1' }],
    ['waits while it may come back', { ...away, awayMs: OFFLINE_AFTER_MS - 1 }, {}, { do: 'wait' }],
    [
      'calls it offline after a minute',
      { ...away, awayMs: OFFLINE_AFTER_MS },
      {},
      { state: 'offline', started: 'no' },
    ],
    ['starts nothing beside what is to stop', { isStopping: true }, {}, { do: 'wait' }],
    [
      'waits for what is to stop no longer than for a host',
      { ...away, isStopping: true, awayMs: OFFLINE_AFTER_MS },
      {},
      { state: 'offline', started: 'no' },
    ],
    [
      'asks a host that was sent an order whatever it is to stop',
      { state: 'dispatched', journalId: 'j', isStopping: true },
      {},
      { do: 'dispatch' },
    ],
    ['starts nothing after a cancel', {}, { cancelled: true }, { state: 'cancelled', started: 'no' }],
    [
      'starts nothing after the end of its time',
      {},
      { expired: true },
      { state: 'rejected', reason: 'execution_expired' },
    ],
    [
      'gives a revoked host nothing',
      { hostState: 'revoked' },
      {},
      { state: 'rejected', reason: 'host_revoked' },
    ],
    [
      'gives a quarantined host nothing',
      { hostState: 'quarantined' },
      {},
      { state: 'rejected', started: 'no' },
    ],
    ['asks again where an order was sent', { state: 'dispatched', journalId: 'j' }, {}, { do: 'dispatch' }],
    [
      'asks a host that runs even after a cancel',
      { state: 'running', journalId: 'j' },
      { cancelled: true },
      { do: 'dispatch' },
    ],
    [
      'does not call a sent one offline',
      { state: 'dispatched', journalId: 'j', ...away, awayMs: OFFLINE_AFTER_MS },
      {},
      { do: 'wait' },
    ],
    [
      'calls a lost one unknown',
      { state: 'running', journalId: 'j', ...away, awayMs: LOST_AFTER_MS },
      {},
      { state: 'unknown', started: 'maybe', reason: 'agent_lost' },
    ],
    [
      'never asks another journal',
      { state: 'dispatched', journalId: 'old' },
      {},
      { state: 'unknown', reason: 'journal_lost' },
    ],
    [
      'knows nothing of a revoked one that was sent',
      { state: 'running', hostState: 'revoked' },
      {},
      { state: 'unknown', started: 'maybe' },
    ],
    [
      'begins nothing of a step that an operator goes past',
      {},
      { ending: true },
      { do: 'end', state: 'cancelled', started: 'no', reason: 'step_ended' },
    ],
    [
      'waits a moment for one that is away and may still run what is to stop',
      { state: 'running', gateway: null, awayMs: 14_000 },
      { ending: true },
      { do: 'wait' },
    ],
    [
      'lets the run go on without one that stays away',
      { state: 'running', gateway: null, awayMs: 15_000 },
      { ending: true },
      { do: 'end', state: 'unknown', started: 'maybe', reason: 'agent_lost' },
    ],
  ])('%s', (_name, more, moreRules, expected) => {
    expect(placeHost({ ...host, ...more }, { ...rules, ...moreRules })).toMatchObject(expected as object)
  })

  it('never says "not started" of a host that was sent its order', () => {
    for (const state of ['dispatched', 'running'] as const)
      for (const hostState of ['active', 'quarantined', 'revoked'] as const)
        for (const awayMs of [0, 1e9])
          for (const cancelled of [true, false])
            for (const expired of [true, false]) {
              const placed = placeHost(
                { ...host, state, hostState, awayMs, gateway: awayMs ? null : 'g' },
                { ...rules, cancelled, expired },
              )
              if (placed.do === 'end') expect(placed).toMatchObject({ state: 'unknown', started: 'maybe' })
            }
  })
})

describe('a host that restarts', () => {
  it('is waited for as long as its step says, and no longer than others once nobody wants it', () => {
    expect(rebootRules({ awayMs: null, isWanted: true }, 300)).toEqual({ lostAfterMs: 300 })
    expect(rebootRules({ awayMs: 900, isWanted: true }, 300)).toEqual({
      lostAfterMs: 900,
      lost: 'reboot_overdue',
    })
    expect(rebootRules({ awayMs: 900, isWanted: false }, 300)).toEqual({ lostAfterMs: 300 })
    expect(rebootRules({ awayMs: 100, isWanted: false }, 300)).toEqual({ lostAfterMs: 100 })
    const rebooting = { ...host, ...away, state: 'running' as const, awayMs: 500 }
    const placed = (awayMs: number) =>
      placeHost(rebooting, { ...rules, ...rebootRules({ awayMs, isWanted: true }, 300) })
    expect(placed(900)).toEqual({ do: 'wait' })
    expect(placed(500)).toMatchObject({ do: 'end', state: 'unknown', reason: 'reboot_overdue' })
  })
})
