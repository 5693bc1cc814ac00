/** GET /scripts/{script}. */
import { operation } from '../operation.js'
import { keyOf, mustFindScript } from './find-script.js'
import { scriptParams, scriptSchema, scriptView } from './schema.js'

export const getScript = operation({
  name: 'get-script',
  method: 'get',
  path: '/scripts/{script}',
  policy: 'script.read',
  summary: 'Show a script',
  params: scriptParams,
  response: scriptSchema,
  errors: ['script_unknown'],
  handler: async ({ services, scope, params }) =>
    scriptView(await mustFindScript(services.pool, keyOf(scope, params))),
})
