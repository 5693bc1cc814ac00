import { isClosed, whyClosed } from './why-closed.js'

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

describe('a closed workflow whose run has no end', () => {
  it.each([
    ['ledger put back', 'COMPLETED', 'a', 'a', 'it completed, which is after the ledger had the end'],
    ['ledger put back', 'COMPLETED', null, 'a', 'it completed, and the ledger has forgotten even its claim'],
    ['engine forgot', 'COMPLETED', 'a', 'b', 'the one that had the run is gone, a later one was refused'],
    ['engine forgot', 'NOT_FOUND', 'a', undefined, 'the engine was emptied, restored or cleaned up'],
    ['ended by somebody', 'TERMINATED', 'a', 'a', 'a person ended it'],
    ['ended by somebody', 'TERMINATED', null, 'a', 'a person ended it before it could take the run'],
    ['ended by somebody', 'FAILED', 'a', 'a', 'it failed, as a workflow that cannot be replayed is made to'],
  ])('tells of "%s": %s, claimed by %s, first run %s (%s)', (...[why, status, runId, firstRunId]) => {
    expect(whyClosed({ runId }, { status, firstRunId })).toBe(why)
  })
})
