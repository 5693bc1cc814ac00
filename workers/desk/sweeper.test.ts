import { isClosed } from './sweeper.js'

describe('the status of a workflow', () => {
  it.each(['COMPLETED', 'FAILED', 'CANCELLED', 'CANCELED', 'TERMINATED', 'TIMED_OUT', 'NOT_FOUND'])(
    '%s is an end',
    (status) => expect(isClosed(status)).toBe(true),
  )

  it.each(['RUNNING', 'CONTINUED_AS_NEW', 'PAUSED', 'UNSPECIFIED', 'UNKNOWN', 'a later word'])(
    '%s is none: a run is never ended for a word that is not known',
    (status) => expect(isClosed(status)).toBe(false),
  )
})
