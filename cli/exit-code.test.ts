/** Exit codes, which scripts rely on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DroverError, type ExecutionDetail } from '../sdk/index.js'
import { exitCodeHelp, exitCodeOf, exitCodeOfRun, exitCodes } from './exit-code.js'

type Counts = ExecutionDetail['steps'][number]['counts']

const run = (state: ExecutionDetail['state'], counts: Counts = {}, reason: string | null = null) => ({
  state,
  reason,
  steps: [{ state: 'failed', counts } as ExecutionDetail['steps'][number]],
})

describe('exit codes', () => {
  it.each([
    ['a run that succeeded', run('succeeded'), 0],
    ['failed hosts', run('failed', { succeeded: 3, failed: 1 }), 1],
    ['only timeouts', run('failed', { succeeded: 3, timed_out: 1 }), 4],
    ['timeouts among failures', run('failed', { failed: 1, timed_out: 1 }), 1],
    ['an expired run', run('failed', { pending: 1 }, 'execution_expired'), 4],
    ['a cancelled run', run('cancelled', { cancelled: 1 }), 5],
    ['a host whose outcome nobody knows', run('failed', { failed: 5, unknown: 1 }), 6],
  ])('tell of %s', (_what, ended, code) => {
    expect(exitCodeOfRun(ended)).toBe(code)
  })

  it.each([
    ['request_invalid', 400, 2],
    ['confirmation_required', 409, 3],
    ['credential_invalid', 401, 7],
    ['permission_denied', 403, 7],
    ['host_unknown', 404, 8],
    ['target_empty', 409, 8],
    ['operation_refused', 409, 9],
    ['idempotency_conflict', 409, 9],
    ['script_too_large', 413, 2],
    ['unavailable', 503, 75],
    ['unavailable', 0, 75],
  ])('tell of %s (%d)', (code, status, exit) => {
    expect(exitCodeOf(new DroverError({ code, status, detail: '' }))).toBe(exit)
  })

  it('are all told by --help and by the page', () => {
    const page = readFileSync(join(__dirname, '../docs/reference/cli.md'), 'utf8')
    const told = [...page.matchAll(/^\| (\d+)\s*\|/gm)].map(([, code]) => Number(code))
    expect(told).toEqual(Object.values(exitCodes))
    for (const code of told) expect(exitCodeHelp).toMatch(new RegExp(`\\s${code}  `))
  })
})
