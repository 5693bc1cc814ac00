/** Who is given up, and who is not, by looks on a clock of the test's. */
import { createLogger } from '../../base/logger.js'
import { Session } from './session.js'
import { SilenceWatch } from './silence.js'

const LOOK_MS = 2_000
// A heartbeat of 10 s, a tenth of it and 5 s: eight looks, and the ninth is one too many.
const PATIENCE = 8

function makeSession(): { session: Session; losses: () => number } {
  let losses = 0
  const stream = {
    destroyed: false,
    write: () => true,
    end: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    emit: (event: string) => {
      if (event === 'error') losses += 1
    },
  }
  const host = { scopeId: '1', hostId: '7', epoch: '1', journalId: 'j', quarantined: false, capabilities: [] }
  return { session: new Session(stream as never, host as never), losses: () => losses }
}

describe('silence', () => {
  let watch: SilenceWatch
  let session: Session
  let losses: () => number

  beforeEach(() => {
    jest.useFakeTimers()
    ;({ session, losses } = makeSession())
    watch = new SilenceWatch({ all: () => [session] }, 10_000, createLogger('test'))
  })

  afterEach(() => {
    watch[Symbol.dispose]()
    jest.useRealTimers()
  })

  const looks = (count: number) => jest.advanceTimersByTime(count * LOOK_MS)

  it('ends a session after the time of a heartbeat and some more, and not before', () => {
    looks(PATIENCE)
    expect(losses()).toBe(0)
    looks(1)
    jest.advanceTimersByTime(1)
    expect(losses()).toBe(1)
    expect(session.ended).toBe(true)
  })

  it('gives a session up once, however long its turn takes to come', () => {
    looks(PATIENCE + 5)
    jest.advanceTimersByTime(1)
    expect(losses()).toBe(1)
  })

  it('begins anew with every word', () => {
    for (let n = 0; n < 5; n++) {
      looks(PATIENCE)
      session.heard()
    }
    expect(losses()).toBe(0)
  })

  it('does not count while the session is not read', () => {
    session.pause()
    looks(100)
    session.resume()
    looks(PATIENCE)
    expect(losses()).toBe(0)
    looks(1)
    jest.advanceTimersByTime(1)
    expect(losses()).toBe(1)
  })

  it('gives up a session that was ended and whose connection never said so, also while it is not read', () => {
    session.pause()
    session.end()
    looks(PATIENCE + 1)
    jest.advanceTimersByTime(1)
    expect(losses()).toBe(1)
  })
})
