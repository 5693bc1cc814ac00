/** Histories of real runs, replayed on the workflows as they are now: a change of order that would break a running one fails here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Worker } from '@temporalio/worker'

const folder = path.join(__dirname, 'histories')
const bundle = path.join(__dirname, '../../dist/workflow-bundle.js')
const files = readdirSync(folder).filter((file) => file.endsWith('.json'))

describe('recorded histories', () => {
  beforeAll(() => {
    if (!existsSync(bundle)) throw new Error('dist/workflow-bundle.js is missing: npm run build makes it')
  })

  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(6)
  })

  it.each(files)('%s replays', async (file) => {
    const { workflowId, history } = JSON.parse(readFileSync(path.join(folder, file), 'utf8'))
    await Worker.runReplayHistory({ workflowBundle: { codePath: bundle } }, history, workflowId)
  })

  it('a history that asks for other things than the workflow does is refused', async () => {
    const { workflowId, history } = JSON.parse(readFileSync(path.join(folder, 'one-step.json'), 'utf8'))
    for (const event of history.events) {
      const scheduled = event.activityTaskScheduledEventAttributes
      if (scheduled) scheduled.activityType.name = 'somethingElse'
    }
    await expect(
      Worker.runReplayHistory({ workflowBundle: { codePath: bundle } }, history, workflowId),
    ).rejects.toMatchObject({ name: 'DeterminismViolationError' })
  })
})
