/** GET /scripts/{script}. */
import { operation } from '../operation.js'
import { keyOf, mustFindScript } from './find-script.js'
import type { Library } from './library.js'
import { scriptParams, scriptSchema, scriptView } from './schema.js'

export const getScript = (library: Library) =>
  operation({
    name: library.called('get-script'),
    method: 'get',
    path: `${library.path}/{script}`,
    policy: 'script.read',
    summary: 'Show a script',
    params: scriptParams,
    response: scriptSchema,
    errors: ['script_unknown'],
    async handler({ services: { pool }, scope, params }) {
      const key = await keyOf(pool, scope, library.used(params.script))
      return scriptView(await mustFindScript(pool, key), key.used)
    },
  })
