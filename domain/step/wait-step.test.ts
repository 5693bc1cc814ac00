import { waitStepSchema } from './wait-step.schema.js'
import { checkWaits, compileWaitStep, wakeTime } from './wait-step.js'

const wait = (fields: object) => waitStepSchema.parse({ type: 'wait', name: 'w', ...fields })
const wakes = (fields: object, from: string) => wakeTime(wait(fields), new Date(from)).toISOString()

describe('a wait', () => {
  it('is over after its duration', () => {
    expect(wakes({ durationMs: 90_000 }, '2026-11-21T12:00:00Z')).toBe('2026-11-21T12:01:30.000Z')
  })

  it.each([
    ['06:00', 'Europe/Vienna', '2026-11-21T04:59:00Z', '2026-11-21T05:00:00.000Z'],
    ['06:00', 'Europe/Vienna', '2026-11-21T05:00:00Z', '2026-11-22T05:00:00.000Z'],
    ['06:00', 'Europe/Vienna', '2026-07-01T00:00:00Z', '2026-07-01T04:00:00.000Z'],
    ['23:30:15', 'Asia/Kolkata', '2026-11-21T12:00:00Z', '2026-11-21T18:00:15.000Z'],
    ['2026-12-24T18:00', 'America/New_York', '2026-11-21T12:00:00Z', '2026-12-24T23:00:00.000Z'],
  ])('until %s in %s, from %s on, is over at %s', (until, zone, from, at) => {
    expect(wakes({ until, zone }, from)).toBe(at)
  })

  it('until a time that the clocks leave out is over at one that there is', () => {
    // In the night of 2026-03-29 Vienna goes from 02:00 to 03:00.
    const at = wakes({ until: '02:30', zone: 'Europe/Vienna' }, '2026-03-28T23:00:00Z')
    expect(['2026-03-29T01:00:00.000Z', '2026-03-29T01:30:00.000Z', '2026-03-30T00:30:00.000Z']).toContain(at)
  })

  it('until a date that has passed is over at once', () => {
    expect(wakes({ until: '2026-01-01T00:00', zone: 'UTC' }, '2026-11-21T12:00:00Z')).toBe(
      '2026-11-21T12:00:00.000Z',
    )
  })

  it.each<[object[], number, string | undefined]>([
    [[{ durationMs: 3_600_000 }], 7_200_000, undefined],
    [[{ durationMs: 3_600_000 }, { durationMs: 3_600_000 }], 7_200_000, 'plan_invalid'],
    [
      [
        { until: '12:30', zone: 'UTC' },
        { until: '12:45', zone: 'UTC' },
      ],
      3_600_000,
      undefined,
    ],
    [
      [
        { until: '12:30', zone: 'UTC' },
        { until: '12:15', zone: 'UTC' },
      ],
      86_000_000,
      'plan_invalid',
    ],
  ])('%j beside orders that are good for %d ms', (waits, expiresInMs, code) => {
    const refused = (() => {
      try {
        checkWaits(waits.map(wait), new Date('2026-11-21T12:00:00Z'), expiresInMs)
        return undefined
      } catch (error) {
        return (error as { code: string }).code
      }
    })()
    expect(refused).toBe(code)
  })

  it.each(['2026-02-31T10:00', '2026-13-01T10:00'])('until %s is refused: there is no such day', (until) => {
    expect(() => compileWaitStep(wait({ until, zone: 'UTC' }), 'step 1 "w"')).toThrow(
      expect.objectContaining({ code: 'plan_invalid' }),
    )
  })

  it('is refused in a zone that there is not', () => {
    const step = wait({ until: '06:00', zone: 'Mars/Olympus' })
    expect(() => compileWaitStep(step, 'step 1 "w"')).toThrow(
      expect.objectContaining({
        code: 'plan_invalid',
        message: 'step 1 "w": there is no time 06:00 in the zone Mars/Olympus',
      }),
    )
  })

  it.each([
    ['nothing', {}],
    ['both', { durationMs: 5_000, until: '06:00', zone: 'UTC' }],
    ['a time without a zone', { until: '06:00' }],
    ['a zone without a time', { durationMs: 5_000, zone: 'UTC' }],
    ['no time of day', { until: '24:00', zone: 'UTC' }],
    ['four days', { durationMs: 4 * 86_400_000 }],
    ['no time at all', { durationMs: 0 }],
  ])('of %s is refused', (_what, fields) => {
    expect(waitStepSchema.safeParse({ type: 'wait', name: 'w', ...fields }).success).toBe(false)
  })
})
