/** GET /scripts/{script}/citations: which steps of jobs and plans use a script. */
import { z } from 'zod'
import { versionStates } from '../../domain/script-library.js'
import { isAllowed } from '../auth/authorize.js'
import { CITATIONS_READ, cutCitations } from '../citations.js'
import { operation } from '../operation.js'
import { findCitations, keyOf, mustFindScript } from './find-script.js'
import type { Library } from './library.js'
import { scriptParams } from './schema.js'

const response = z
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
    elsewhere: z
      .int()
      .nullable()
      .describe(
        'How many steps in other scopes use it, if it is a public script: which ones, those scopes are told. Null for who may not change it.',
      ),
  })
  .meta({ id: 'ScriptCitations' })

export const listCitations = (library: Library) =>
  operation({
    name: library.called('list-script-citations'),
    method: 'get',
    path: `${library.path}/{script}/citations`,
    policy: 'script.read',
    summary: 'List what uses a script',
    description:
      'Steps of jobs (`plan` is null) and of their plans as they were frozen; at most 1,000, `more` says whether there are others.',
    params: scriptParams,
    response,
    errors: ['script_unknown'],
    async handler({ services: { pool }, caller, scope, params }) {
      const key = await keyOf(pool, scope, library.used(params.script))
      await mustFindScript(pool, key)
      const { items, elsewhere } = await findCitations(pool, scope, key, { limit: CITATIONS_READ })
      const isTold = key.scopeId === scope.id || (await isAllowed(pool, { caller, scope }, library.write))
      return { ...cutCitations(items), elsewhere: isTold ? elsewhere : null }
    },
  })
