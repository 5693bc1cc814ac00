/** DELETE /scripts/{script}/versions/{version}: one that is not online. */
import { z } from 'zod'
import { removeVersion } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { checkUnused, keyOf, mustAllow } from './find-script.js'
import type { Library } from './library.js'
import { versionParams } from './schema.js'

const response = z.object({ name: z.string(), version: z.int() }).meta({ id: 'DeletedScriptVersion' })

export const deleteVersion = (library: Library) =>
  operation({
    name: library.called('delete-script-version'),
    method: 'delete',
    path: `${library.path}/{script}/versions/{version}`,
    policy: library.write,
    summary: 'Remove a version of a script',
    params: versionParams,
    response,
    errors: ['script_unknown', 'script_version_unknown', 'script_version_refused', 'script_in_use'],
    audit: ({ params }) => ({
      resource: `script/${library.used(params.script)}`,
      detail: { version: params.version },
    }),
    async write({ scope, params }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      await mustAllow(tx, key, params.version, 'remove')
      await checkUnused(tx, scope, key, params.version)
      await removeVersion(tx, key, params.version)
      return { name: key.name, version: params.version }
    },
  })
