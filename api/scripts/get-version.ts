/** GET /scripts/{script}/versions/{version}: a version with its text. */
import { operation } from '../operation.js'
import { keyOf, mustFindVersion } from './find-script.js'
import { versionParams, versionTextSchema, versionView } from './schema.js'

export const getVersion = operation({
  name: 'get-script-version',
  method: 'get',
  path: '/scripts/{script}/versions/{version}',
  policy: 'script.read',
  summary: 'Show a version of a script, with its text',
  params: versionParams,
  response: versionTextSchema,
  errors: ['script_unknown', 'script_version_unknown'],
  handler: async ({ services, scope, params }) =>
    versionView(await mustFindVersion(services.pool, keyOf(scope, params), params.version)),
})
