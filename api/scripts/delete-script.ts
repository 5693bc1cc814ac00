/** DELETE /scripts/{script}: with all its versions, none of which is online. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { removeScript } from '../../store/postgres/script-library.js'
import { operation } from '../operation.js'
import { checkUnused, keyOf, mustLockScript } from './find-script.js'
import type { Library } from './library.js'
import { scriptParams } from './schema.js'

const response = z.object({ name: z.string() }).meta({ id: 'DeletedScript' })

export const deleteScript = (library: Library) =>
  operation({
    name: library.called('delete-script'),
    method: 'delete',
    path: `${library.path}/{script}`,
    policy: library.write,
    summary: 'Remove a script from the library',
    description:
      'Refused while a version is online, or a job or a plan uses it. Runs keep what they have run.',
    params: scriptParams,
    response,
    errors: ['script_unknown', 'script_version_refused', 'script_in_use'],
    audit: ({ params }) => ({ resource: `script/${library.used(params.script)}`, detail: {} }),
    async write({ scope, params }, tx) {
      const key = await keyOf(tx, scope, library.used(params.script))
      const { online } = await mustLockScript(tx, key)
      if (online !== null) {
        throw new PlatformError(
          'script_version_refused',
          `version ${online} of ${key.used} is online: disable it first, so that nothing uses the script`,
        )
      }
      await checkUnused(tx, scope, key)
      await removeScript(tx, key)
      return { name: key.name }
    },
  })
