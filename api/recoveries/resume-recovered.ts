/** POST /recoveries/resume: all is well in this scope; its held runs go on, and new launches are not held any more. */
import { z } from 'zod'
import { sendHint } from '../../store/postgres/hints.js'
import { countHeldExecutions, lockHeldExecutions, releaseExecution } from '../../store/postgres/held-runs.js'
import { releaseLaunches } from '../../store/postgres/recoveries.js'
import { operation } from '../operation.js'

// One transaction: what is left over is for the next call.
const AT_ONCE = 200

export const resumeRecovered = operation({
  name: 'resume-recovered',
  method: 'post',
  path: '/recoveries/resume',
  policy: 'execution.operate',
  summary: 'Resume every run that is held after a restore, and let new launches run',
  description: `Resumes the oldest ${AT_ONCE} of them: ask again while \`left\` is not 0. They start within some seconds.`,
  response: z.object({ resumed: z.int(), left: z.int() }).meta({ id: 'ResumedRecovered' }),
  errors: [],
  audit: () => ({ resource: 'recovery', detail: {} }),
  async write({ scope, caller }, tx) {
    await releaseLaunches(tx, scope.id, caller.principalId)
    const held = await lockHeldExecutions(tx, scope.id, AT_ONCE)
    for (const key of held) {
      await releaseExecution(tx, key)
      await sendHint(tx, 'flags', key.executionId)
    }
    // Their workflows are started by the workers' sweeper, which starts what is committed and not started.
    return { resumed: held.length, left: await countHeldExecutions(tx, scope.id) }
  },
})
