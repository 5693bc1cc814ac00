/** What counts as a wrong value: anything but what the tasks of the step before had set. */
import { dispatchId } from '../../proto/index'
import type { HostResultView } from '../helpers/api'
import { type StepSights, wrongSights } from './sights'

const hosts = ['1', '2'].map(
  (hostId) => ({ hostId, hostName: `host-${hostId}`, attempt: 1 }) as HostResultView,
)
const task = (step: string, host: string) => dispatchId(step, 1, host).toString('hex')

/** @param saw per host: of the run, then of the host itself */
const step = (stepId: string, saw: Record<string, [string, string]>): StepSights => ({
  stepId,
  hosts,
  effects: new Map(
    Object.entries(saw).map(([host, [RUN_LAST, HOST_LAST]]) => [
      `${stepId} ${host}`,
      new Map([[task(stepId, host), { starts: 1, ends: 1, saw: { RUN_LAST, HOST_LAST } }]]),
    ]),
  ),
})
const first = step('5', { 1: ['none', 'none'], 2: ['none', 'none'] })

describe('sights of variables', () => {
  it('are those of the first host, and each of its own', () => {
    const second = step('6', { 1: [task('5', '1'), task('5', '1')], 2: [task('5', '1'), task('5', '2')] })
    expect(wrongSights([first, second])).toEqual([])
  })

  it.each<[string, Record<string, [string, string]>]>([
    ['the value of another host', { 2: [task('5', '2'), task('5', '2')] }],
    ['a host value that is not its own', { 2: [task('5', '1'), task('5', '1')] }],
    ['what was there at the launch', { 1: ['none', task('5', '1')] }],
    ['nothing', { 1: ['', task('5', '1')] }],
  ])('are wrong where a task saw %s', (_what, saw) => {
    expect(wrongSights([first, step('6', saw)])).toHaveLength(1)
  })
})
