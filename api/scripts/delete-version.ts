/** DELETE /scripts/{script}/versions/{version}: one that is not online. */
import { z } from 'zod'
import { removeVersion } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { checkUnused, keyOf, mustAllow } from './find-script.js'
import { versionParams } from './schema.js'

export const deleteVersion = operation({
  name: 'delete-script-version',
  method: 'delete',
  path: '/scripts/{script}/versions/{version}',
  policy: 'script.write',
  summary: 'Remove a version of a script',
  params: versionParams,
  response: z.object({ name: z.string(), version: z.int() }).meta({ id: 'DeletedScriptVersion' }),
  errors: ['script_unknown', 'script_version_unknown', 'script_version_refused', 'script_in_use'],
  audit: ({ params }) => ({ resource: `script/${params.script}`, detail: { version: params.version } }),
  async write({ scope, params }, tx) {
    const key = keyOf(scope, params)
    await mustAllow(tx, key, params.version, 'remove')
    await checkUnused(tx, key, params.version)
    await removeVersion(tx, key, params.version)
    return { name: key.name, version: params.version }
  },
})
