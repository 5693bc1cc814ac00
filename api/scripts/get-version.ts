/** GET /scripts/{script}/versions/{version}: a version with its text. */
import { operation } from '../operation.js'
import { keyOf, mustFindVersion } from './find-script.js'
import type { Library } from './library.js'
import { versionParams, versionTextSchema, versionView } from './schema.js'

export const getVersion = (library: Library) =>
  operation({
    name: library.called('get-script-version'),
    method: 'get',
    path: `${library.path}/{script}/versions/{version}`,
    policy: 'script.read',
    summary: 'Show a version of a script, with its text',
    params: versionParams,
    response: versionTextSchema,
    errors: ['script_unknown', 'script_version_unknown'],
    async handler({ services: { pool }, scope, params }) {
      const key = await keyOf(pool, scope, library.used(params.script))
      return versionView(await mustFindVersion(pool, key, params.version))
    },
  })
