/** GET /scripts/{script}/citations: which steps of jobs and plans use a script. */
import { z } from 'zod'
import { versionStates } from '../../domain/script-library.js'
import { listCitations as readCitations } from '../../store/postgres/job-plans.js'
import { operation } from '../operation.js'
import { keyOf, mustFindScript } from './find-script.js'
import { scriptParams } from './schema.js'

const MOST_SHOWN = 1_000

export const listCitations = operation({
  name: 'list-script-citations',
  method: 'get',
  path: '/scripts/{script}/citations',
  policy: 'script.read',
  summary: 'List what uses a script',
  description:
    'Steps of jobs (`plan` is null) and of their plans as they were frozen; at most 1,000, `more` says whether there are others.',
  params: scriptParams,
  response: z
    .object({
      items: z.array(
        z.object({
          job: z.string(),
          plan: z.string().nullable(),
          step: z.string(),
          uses: z.string().describe('As the step says it: `deploy` or `deploy@3`.'),
          version: z.int().nullable().describe('What it means now; null if there is no such version.'),
          state: z.enum(versionStates).nullable(),
        }),
      ),
      more: z.boolean(),
    })
    .meta({ id: 'ScriptCitations' }),
  errors: ['script_unknown'],
  async handler({ services, scope, params }) {
    const key = keyOf(scope, params)
    await mustFindScript(services.pool, key)
    const found = await readCitations(services.pool, { scopeId: scope.id, script: key.name }, MOST_SHOWN + 1)
    return { items: found.slice(0, MOST_SHOWN), more: found.length > MOST_SHOWN }
  },
})
